"""The capsule addon, call by call: a tenant becomes a group, its owners are invited, and the group's rows follow the tenant (rest-api.md 6, 1.12.6)."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.support.clients import Capsule
from tests.support.go import KUBENAMESPACE, ORG, ORGINVITE, USERGROUP, page
from tests.support.server import a_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

PERMISSIONS = [
    "policies.create",
    "kubebackups.create",
    "kuberestores.create",
    "kubeclusters.backup",
    "kubeclusters.restore",
    "kubenamespaces.read",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory):
    async with a_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def capsule(server):
    return Capsule(server)


async def test_tenant_becomes_a_group_whose_rows_change_with_a_quoted_etag(capsule, server):
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster)).connected():
        await server.state(cluster["_id"], "ACTIVE")
        await server.post("kubebackups", name="x", cluster=cluster["_id"], source={"namespaces": ["nowhere"]})
    found = await capsule.call("GET", "usergroups", page(USERGROUP), query=capsule.where('{"name": "oil"}'))
    assert found["_items"] == []
    rows = [{"resource": "allresources", "permissions": PERMISSIONS}]
    group = await capsule.call("POST", "usergroups", USERGROUP, body={"name": "oil", "acls": rows}, status=201)
    assert (group["acls"][0]["permissions"], group["acls"][0]["roles"]) == (PERMISSIONS, [])
    (namespace,) = (await capsule.call("GET", "kubenamespaces", page(KUBENAMESPACE), query=capsule.where('{"name": "web"}')))["_items"]
    answer = await capsule.send("GET", f"/api/v1/usergroups/{group['_id']}")
    etag = answer.headers["etag"]
    assert etag == f'"{group["_etag"]}"'
    rows = [*rows, {"resource": "kubenamespaces", "resourceIds": [namespace["_id"]], "permissions": ["kubenamespaces.read"]}]
    path = f"usergroups/{group['_id']}/action/update-acls"
    changed = await capsule.call("POST", path, USERGROUP, f"If-Match: {etag}", body={"acls": rows})
    assert (changed["_id"], changed["acls"][1]["resourceIds"]) == (group["_id"], [namespace["_id"]])
    stale = await capsule.send("POST", f"/api/v1/{path}", f"If-Match: {etag}", body={"acls": rows})
    assert (stale.status, bool(stale.message)) == (412, True)


async def test_roles_are_objects_when_they_are_read(capsule, server):
    roles = (await server.get("roles"))["_items"]
    rows = [{"resource": "allresources", "roles": [roles[0]["_id"]]}]
    group = await capsule.call("POST", "usergroups", USERGROUP, body={"name": "gas", "acls": rows}, status=201)
    again = await capsule.call("GET", f"usergroups/{group['_id']}", USERGROUP)
    for shown in (group, again):
        assert shown["acls"][0]["roles"][0] == {"id": roles[0]["_id"], "name": roles[0]["name"], "type": roles[0]["type"]}


async def test_owner_is_invited_once_and_the_answer_is_json(capsule, server):
    (org,) = (await capsule.call("GET", "orgs", page(ORG)))["_items"]
    roles = (await server.get("roles"))["_items"]
    group = await capsule.call("POST", "usergroups", USERGROUP, body={"name": "invited"}, status=201)
    query = capsule.where('{"email": "ann+oil@example.org"}')
    assert (await capsule.call("GET", "orginvites", page(ORGINVITE), query=query))["_items"] == []
    body = {
        "name": "ann",
        "email": "ann+oil@example.org",
        "first_name": "Ann",
        "last_name": "Öl",
        "tags": {"capsule": "oil"},
        "usergroups": [group["_id"]],
        "acls": [{"resource": "allresources", "permissions": [], "roles": [roles[0]["_id"]]}],
    }
    invitation = await capsule.call("POST", "orginvites", ORGINVITE, body=body, status=201)
    assert (invitation["_status"], invitation["org"], invitation["state"]) == ("OK", org["_id"], "PENDING")
    (found,) = (await capsule.call("GET", "orginvites", page(ORGINVITE), query=query))["_items"]
    assert (found["_id"], found["usergroups"], found["tags"]) == (invitation["_id"], [group["_id"]], {"capsule": "oil"})
    assert found["acls"][0]["roles"] == [{"_id": roles[0]["_id"], "name": roles[0]["name"], "type": roles[0]["type"]}]
