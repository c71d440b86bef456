"""Application hooks, their templates, and how backups name them (rest-api.md 2.5)."""

from __future__ import annotations

import asyncio
import json
import subprocess
from itertools import count

import pytest
from cloudcasa_server.hook.model import arguments
from cloudcasa_server.hook.templates import sync_templates, templates
from cloudcasa_server.kit.store import ALL

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "61b3bb7b555abc4d71d0a7bf"
_numbers = count()


def a_hook_body(**changes):
    rule = {"labels": {"app": "csi-app"}, "target": [{"command": "/bin/uname -a", "container": "front"}]}
    return {"name": f"hook-{next(_numbers)}", "hook_type": "PRE_BACKUP", "hook": [rule]} | changes


async def a_backup_with(shared, **fields):
    name = f"hooked-{next(_numbers)}"
    cluster = await shared.a_cluster(name)
    return await shared.post("kubebackups", name=name, cluster=cluster["_id"], source={"all_namespaces": True}, **fields)


def message_of(response):
    return response.json()["_error"]["message"]


async def test_hook_is_echoed_as_it_was_sent(shared):
    body = a_hook_body()
    made = await shared.make("kubehooks", **body)
    assert {key: made[key] for key in body} == body
    assert made["_links"]["self"]["title"] == "Kubehook"


async def test_hook_without_type_is_common(shared):
    body = a_hook_body()
    del body["hook_type"]
    assert (await shared.make("kubehooks", **body))["hook_type"] == "COMMON"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"hook": []}, "hook"),
        ({"hook": [{"labels": {}, "target": [{"command": "true"}]}]}, "labels"),
        ({"hook": [{"labels": {"a": "b"}, "target": []}]}, "target"),
        ({"hook": [{"labels": {"a": "b"}, "target": [{"container": "x"}]}]}, "command"),
        ({"hook": [{"labels": {"a": "b"}, "target": [{"command": "  "}]}]}, "empty"),
        ({"hook": [{"labels": {"a": "b"}, "target": [{"command": "echo 'x"}]}]}, "quotation"),
        ({"hook": [{"labels": {"a": "b"}, "target": [{"command": '["a", 1]'}]}]}, "JSON array"),
        ({"hook": [{"labels": {"a": "b"}, "target": [{"command": "x" * 20_000}]}]}, "command"),
        ({"hook_type": "SOMETIMES"}, "hook_type"),
        ({"post_hook": UNKNOWN}, UNKNOWN),
        ({"name": " "}, "name"),
    ],
    ids=["no rules", "no labels", "no target", "no command", "blank", "open quote", "array", "long", "type", "post hook", "name"],
)
async def test_hook_that_makes_no_sense_is_refused(shared, change, word):
    before = (await shared.get("kubehooks"))["_meta"]["total"]
    response = await shared.post("kubehooks", **(a_hook_body() | change))
    assert (response.status_code, word in response.text) == (422, True), response.text
    assert (await shared.get("kubehooks"))["_meta"]["total"] == before


async def test_templates_cover_the_named_applications_and_are_read_only(shared):
    found = await shared.get("kubehooktemplates", where=json.dumps({"hook_type": {"$eq": "PRE_BACKUP"}}), sort="name")
    assert [each["name"].partition(",")[0] for each in found["_items"]] == [
        "Cassandra",
        "Elasticsearch and OpenSearch",
        "MongoDB",
        "MySQL and MariaDB",
        "PostgreSQL",
        "Redis and Valkey",
        "etcd",
    ]
    first = found["_items"][0]
    assert (await shared.get(f"kubehooktemplates/{first['_id']}"))["description"]
    assert (await shared.post("kubehooktemplates", **a_hook_body())).status_code == 405
    assert (await shared.api.delete(f"/api/v1/kubehooktemplates/{first['_id']}")).status_code == 405


async def test_copy_of_every_template_is_a_hook_of_ones_own(shared):
    for template in (await shared.get("kubehooktemplates"))["_items"]:
        fields = {key: value for key, value in template.items() if not key.startswith("_")}
        assert (await shared.make("kubehooks", **fields | {"name": f"my {template['name']}"}))["hook"] == template["hook"]


async def test_templates_have_stable_ids_and_valid_commands():
    known = {each["_id"]: each for each in templates()}
    assert len(known) == 16
    assert {"31aec27cc7ec62deab38d2a5", "1e850438677a94f35269b913"} <= set(known)
    for each in known.values():
        (shell, option, script) = arguments(each["hook"][0]["target"][0]["command"])
        assert (shell, option) == ("/bin/sh", "-c")
        checked = subprocess.run(["/bin/sh", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, ""), each["name"]
        assert each.get("post_hook", each["_id"]) in known


async def test_templates_changed_in_the_database_are_brought_up_to_date(shared):
    documents = shared.documents("kubehooktemplates")
    template_id = templates()[0]["_id"]
    before = await documents.get(template_id)
    await documents.set(template_id, {"description": "old", "_etag": "0" * 40})
    await sync_templates(documents)
    after = await documents.get(template_id)
    assert (after["description"], after["_etag"], after["_created"]) == (before["description"], before["_etag"], before["_created"])


async def test_servers_that_start_at_once_make_each_template_once(shared):
    documents = shared.documents("kubehooktemplates")
    await documents.collection.delete_many(ALL)
    await asyncio.gather(*(sync_templates(documents) for _ in range(6)))
    assert await documents.collection.count() == len(templates())


async def test_backup_names_hooks_and_templates(shared):
    hook = await shared.make("kubehooks", **a_hook_body())
    references = [
        {"template": False, "namespaces": ["web"], "hooks": [hook["_id"]]},
        {"template": True, "namespaces": [], "hooks": [templates()[0]["_id"], hook["_id"], UNKNOWN]},
    ]
    response = await a_backup_with(shared, pre_hooks=references)
    assert response.status_code == 201, response.text
    assert response.json()["pre_hooks"] == references


@pytest.mark.parametrize(
    ("field", "reference", "word"),
    [
        ("pre_hooks", {"hooks": [UNKNOWN]}, UNKNOWN),
        ("pre_hooks", {"hooks": ["31aec27cc7ec62deab38d2a5"]}, "Set template to true"),
        ("post_hooks", {"template": True, "hooks": ["31aec27cc7ec62deab38d2a5"]}, "POST_BACKUP"),
        ("pre_hooks", {"template": True, "hooks": ["not an id"]}, "not an id"),
        ("pre_hooks", {"hooks": "x"}, "pre_hooks"),
    ],
    ids=["unknown", "template", "type", "no id", "no list"],
)
async def test_backup_with_hooks_that_cannot_be_is_refused(shared, field, reference, word):
    response = await a_backup_with(shared, **{field: [reference]})
    assert (response.status_code, word in message_of(response)) == (422, True), response.text


async def test_hook_in_use_is_not_deleted(shared):
    hook = await shared.make("kubehooks", **a_hook_body())
    backup = (await a_backup_with(shared, pre_hooks=[{"hooks": [hook["_id"]]}])).json()
    response = await shared.api.delete(f"/api/v1/kubehooks/{hook['_id']}")
    assert (response.status_code, f'backup "{backup["name"]}"' in message_of(response)) == (422, True)
    assert (await shared.api.delete(f"/api/v1/kubebackups/{backup['_id']}")).status_code == 204
    assert (await shared.api.delete(f"/api/v1/kubehooks/{hook['_id']}")).status_code == 204


async def test_hook_of_a_migration_is_not_deleted(shared):
    hook = await shared.make("kubehooks", **a_hook_body(hook_type="COMMON"))
    clusters = [(await shared.a_cluster(f"hooked-{next(_numbers)}"))["_id"] for _ in range(2)]
    backup = {"cluster": clusters[0], "source": {"all_namespaces": True}}
    restore = {"cluster": clusters[1], "post_hooks": [{"hooks": [hook["_id"]]}]}
    migration = await shared.make("kubemigrations", name="hooked", backup=backup, restore=restore)
    response = await shared.api.delete(f"/api/v1/kubehooks/{hook['_id']}")
    assert (response.status_code, f'migration "{migration["name"]}"' in message_of(response)) == (422, True)
