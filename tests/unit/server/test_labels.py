"""Labels are judged when they are written, as Kubernetes will judge them, and come back as they were written."""

from __future__ import annotations

import pytest
import pytest_asyncio
from cloudcasa_server.hook.labels import MAX_KEYS, MAX_VALUES, check_labels

from tests.support.server import a_server


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"app": "web"},
        {"app": ""},
        {"app": "web,shop , db"},
        {"app.kubernetes.io/name": "a", "tier": "front-end_1.2"},
        {"a" * 63: "b" * 63},
        {f"{'a.' * 126}b/c": "d"},
        {"app": ",".join(f"v{number}" for number in range(MAX_VALUES))},
    ],
    ids=str,
)
def test_label_that_an_object_can_have_is_taken_as_it_is(labels):
    assert check_labels(labels) == labels


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        ({"": "a"}, '"" is not the key'),
        ({"a b": "c"}, '"a b" is not the key'),
        ({"-a": "c"}, '"-a" is not the key'),
        ({"a" * 64: "c"}, "up to 63"),
        ({"Pre_fix/a": "c"}, "DNS name"),
        ({"/a": "c"}, "DNS name"),
        ({"a/b/c": "c"}, "DNS name"),
        ({"a/": "c"}, "is not the key"),
        ({f"{'a' * 254}/b": "c"}, "DNS name"),
        ({"app": "b c"}, '"b c" is not the value'),
        ({"app": "web,-x"}, '"-x" is not the value'),
        ({"app": "x" * 64}, "up to 63"),
        ({"app": ","}, "empty value beside a comma"),
        ({"app": "a,,b"}, "empty value beside a comma"),
        ({"app": " "}, "empty value"),
        ({"app": "é"}, "is not the value"),
        ({"app": "a\tb"}, "is not the value"),
        ({"app": "x," * MAX_VALUES + "x"}, f"{MAX_VALUES} are allowed"),
        ({"a=b,c": "d"}, "is not the key"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_label_that_no_object_can_have_is_named(labels, word):
    with pytest.raises(ValueError) as caught:
        check_labels(labels)
    assert word in str(caught.value)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory):
    async with a_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.mark.asyncio(loop_scope="module")
async def test_labels_of_a_backup_come_back_as_written_and_bad_ones_are_422(server):
    cluster = await server.a_cluster()
    source = {"all_namespaces": True, "label_selector": {"tier": "b , a", "app": ""}}
    backup = await server.a_backup(cluster["_id"], source=source)
    assert list(backup["source"]["label_selector"].items()) == [("tier", "b , a"), ("app", "")]
    for labels in ({"a b": "c"}, {"app": "a,,b"}, {f"k{number}": "v" for number in range(MAX_KEYS + 1)}):
        body = {"name": "x", "cluster": cluster["_id"], "source": {"all_namespaces": True, "label_selector": labels}}
        refused = await server.post("kubebackups", **body)
        assert refused.status_code == 422
        assert "label_selector" in refused.json()["_issues"]["source"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("labels", [{}, {"app": "a,,b"}])
async def test_hook_with_bad_labels_is_422(server, labels):
    rule = {"labels": labels, "target": [{"command": "sync"}]}
    refused = await server.post("kubehooks", name="h", hook=[rule])
    assert refused.status_code == 422
    assert (await server.get("kubehooks"))["_items"] == []
