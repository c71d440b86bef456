"""What the module agent decides without a cluster; that it applies and waits is shown on real clusters (the demo, tests/lab)."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cloudcasa.core.plugins.module_utils._errors import CloudCasaError
from ansible_collections.cloudcasa.core.plugins.module_utils._kube import parse_manifest, settled
from ansible_collections.cloudcasa.core.plugins.module_utils._module import agent
from tests.unit.collection.modules import Runner

pytestmark = pytest.mark.unit


def an_object(**metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", **metadata}, "data": {"a": "b"}}


def a_secret(credential: str, *, version: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "one", "resourceVersion": version},
        "data": {"credential": credential},
    }


def test_list_is_taken_apart() -> None:
    manifest = b"apiVersion: v1\nkind: List\nitems: [{kind: Namespace}, {kind: Secret}]\n---\nkind: Service\n"
    assert [item["kind"] for item in parse_manifest(manifest)] == ["Namespace", "Secret", "Service"]


@pytest.mark.parametrize("text", [b"{unclosed", b"just a text", b"{no: kind}"])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(CloudCasaError):
        parse_manifest(text)


def test_secret_is_not_shown() -> None:
    assert "c2VjcmV0" not in str(settled({"kind": "Secret", "metadata": {"name": "x"}, "data": {"credential": "c2VjcmV0"}}))


@pytest.mark.parametrize(
    ("before", "after", "check_mode", "is_change"),
    [
        pytest.param(None, an_object(), False, True, id="new"),
        pytest.param(an_object(resourceVersion="1"), an_object(resourceVersion="1"), False, False, id="same-version"),
        pytest.param(an_object(resourceVersion="1"), {**an_object(resourceVersion="2"), "data": {}}, False, True, id="new-content"),
        pytest.param(an_object(resourceVersion="1"), {**an_object(resourceVersion="2"), "status": {}}, False, False, id="only-the-status"),
        pytest.param(a_secret("one", version="1"), a_secret("two", version="2"), False, False, id="only-a-fresh-credential"),
        pytest.param(an_object(resourceVersion="1"), {**an_object(resourceVersion="1"), "data": {}}, True, True, id="dry-run"),
        pytest.param(an_object(resourceVersion="1"), an_object(), True, False, id="dry-run-of-the-same"),
    ],
)
def test_change_is_told_from_what_the_cluster_does_itself(before: Any, after: Any, check_mode: bool, is_change: bool) -> None:
    assert agent._differs(before, after, check_mode=check_mode) is is_change


def test_missing_library_is_said(modules: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "KUBERNETES_IMPORT_ERROR", "no module named kubernetes")
    assert "kubernetes" in modules.fail("agent", cluster="any")["msg"]


def test_unusable_kubeconfig_is_said(modules: Runner) -> None:
    modules("cluster", name="no-kubeconfig")
    failed = modules.fail("agent", cluster="no-kubeconfig", kubeconfig="/does/not/exist")
    assert failed["failure"]["code"] == "kubeconfig"


def test_unknown_cluster_is_named(modules: Runner) -> None:
    assert '"nowhere"' in modules.fail("agent", cluster="nowhere")["msg"]
