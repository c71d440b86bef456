"""Bad input ends in a sentence that names the thing, and in a payload a play can decide on."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cloudcasa.core.plugins.module_utils import _api
from ansible_collections.cloudcasa.core.plugins.module_utils._errors import ApiError
from ansible_collections.cloudcasa.core.plugins.module_utils._http import Response
from tests.unit.collection.modules import Runner, run

pytestmark = pytest.mark.unit


def test_wrong_api_key_is_said(api: Any) -> None:
    failed = run("cluster_info", **{**api.auth, "api_key": "wrong-key"})
    assert failed["failed"]
    assert failed["failure"]["code"] == "unauthorized"
    assert failed["failure"]["message"] == failed["msg"]
    assert "CLOUDCASA_API_KEY" in failed["msg"]
    assert "wrong-key" not in str(failed)


def test_missing_api_key_is_said(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDCASA_API_KEY", raising=False)
    options = {name: value for name, value in api.auth.items() if name != "api_key"}
    assert "api_key" in run("cluster_info", **options)["msg"]


def test_api_key_from_the_environment_is_used(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDCASA_API_KEY", api.auth["api_key"])
    options = {name: value for name, value in api.auth.items() if name != "api_key"}
    assert "clusters" in run("cluster_info", **options)


def test_unreachable_server_is_said() -> None:
    failed = run("cluster_info", api_url="http://127.0.0.1:9", api_key="any", api_timeout=2)
    assert failed["failure"]["code"] == "unreachable"
    assert "http://127.0.0.1:9: Connection refused." in failed["msg"]


def test_certificate_of_an_unknown_authority_is_refused(api: Any) -> None:
    assert "ca_path" in api.auth, "the server under test must speak TLS, or this proves nothing"
    failed = run("cluster_info", **{name: value for name, value in api.auth.items() if name != "ca_path"})
    assert failed["failure"]["code"] == "unreachable"
    assert "ca_path" in failed["msg"]


def test_file_of_the_authority_that_is_not_there_is_named(api: Any) -> None:
    failed = run("cluster_info", **{**api.auth, "ca_path": "/no/such/ca.crt"})
    assert '"/no/such/ca.crt"' in failed["msg"]


@pytest.mark.parametrize(
    ("url", "reason", "hint"),
    [
        ("http://cloudcasa.example", "Connection refused", "https address"),
        ("https://cloudcasa.example", "Connection refused", "that the server runs"),
        ("https://cloudcasa.example", "certificate verify failed: unable to get local issuer certificate", "ca_path"),
        ("https://10.0.0.1", "certificate verify failed: certificate is not valid for '10.0.0.1'", "TLS_NAMES"),
    ],
    ids=["not-https", "down", "unknown-authority", "another-name"],
)
def test_hint_fits_the_reason(url: str, reason: str, hint: str) -> None:
    assert hint in _api._hint(url, reason)


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [(502, "server_error", "proxy"), (200, "not_json", "api_url"), (418, "unexpected_status", "api_url")],
)
def test_page_of_a_proxy_is_told_from_an_answer(status: int, code: str, told: str) -> None:
    class Proxy:
        def request(self, *args: Any, **options: Any) -> Response:
            return Response(status=status, body=b"<html>Bad Gateway</html>")

    api = _api.Api(Proxy(), base_url="https://cloudcasa.example", api_key="any")
    with pytest.raises(ApiError) as caught:
        api.list("kubeclusters", where={"name": "x"})
    assert caught.value.code == code
    assert told in caught.value.message
    assert "where=" not in caught.value.message
    assert "html" not in caught.value.message


@pytest.mark.parametrize("module", ["backup_run", "restore"])
def test_unknown_backup_is_named(modules: Runner, module: str) -> None:
    failed = modules.fail(module, backup="no-such-backup")
    assert failed["failure"]["code"] == "not_found"
    assert '"no-such-backup"' in failed["msg"]


def test_unknown_cluster_is_named(modules: Runner) -> None:
    failed = modules.fail("backup", name="x", cluster="no-such-cluster", namespaces=["web"])
    assert '"no-such-cluster"' in failed["msg"]


def test_backup_of_nothing_is_refused(modules: Runner) -> None:
    modules("cluster", name="nothing")
    assert modules.fail("backup", name="nothing", cluster="nothing")["failure"]["code"] == "nothing_selected"


def test_backup_stays_on_its_cluster(modules: Runner) -> None:
    for name in ("here", "there"):
        modules("cluster", name=name)
    modules("backup", name="fixed", cluster="here", namespaces=["web"])
    assert modules.fail("backup", name="fixed", cluster="there")["failure"]["code"] == "cluster_is_fixed"


def test_refused_object_store_shows_the_servers_sentence(modules: Runner, rest: Any) -> None:
    keys = {"access_key": "AK", "secret_key": "wrong"}
    failed = modules.fail("object_store", name="refused", bucket="no-such-bucket", endpoint="https://s3.example", **keys)
    assert failed["failure"]["code"] == "invalid"
    assert "no-such-bucket" in failed["msg"]
    assert rest.find("objectstores", {"name": "refused"}) == []


def test_new_object_store_needs_bucket_and_endpoint(modules: Runner) -> None:
    assert "bucket and endpoint" in modules.fail("object_store", name="bare")["msg"]


def test_backup_without_an_agent_fails_with_the_servers_reason(modules: Runner) -> None:
    modules("cluster", name="silent")
    modules("object_store", name="silent", bucket="bucket", endpoint="https://silent.example", access_key="AK", secret_key="SK")
    modules("backup", name="silent", cluster="silent", namespaces=["web"], copy_object_store="silent")
    failed = modules.fail("backup_run", backup="silent", wait_timeout=20)
    assert failed["failure"]["code"] == "job_skipped"
    assert failed["job"]["message"].rstrip(".") in failed["msg"]
