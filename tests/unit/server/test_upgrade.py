"""A database of 0.1.0 under this server: what was stored then works, in its new form."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from cloudcasa_server.identity.service import new_key, stored_parts
from cloudcasa_server.identity.upgrade import name_roles
from cloudcasa_server.kit.ids import new_id
from cloudcasa_server.kit.store import Update
from cloudcasa_server.kit.store.opening import FILE_NAME

from tests.support.api import a_store
from tests.support.server import a_server


async def old_database(directory):
    """Store two keys as 0.1.0 did, and return what is shown of them."""
    directory.mkdir()
    store = a_store(directory)
    keys = {"admin": new_key(), "viewer": new_key()}
    for role, key in keys.items():
        document = {"_id": new_id(), "_created": 1, "_updated": 1, "_etag": "0" * 40, "name": role, "roles": [role]}
        await store.collection("apikeys").insert(document | stored_parts(key))
    await store.close()
    (directory / "test.db").rename(directory / FILE_NAME)
    (directory / "bootstrap-key").write_text(keys["admin"])
    return keys


async def test_keys_of_the_first_version_have_the_built_in_roles(tmp_path):
    keys = await old_database(tmp_path / "data")
    async with a_server(tmp_path / "data") as server:
        shown = {key["name"]: key["roles"] for key in (await server.get("apikeys"))["_items"]}
        assert shown == {"admin": ["ADMIN"], "viewer": ["VIEWER"]}
        viewer = {"Authorization": f"Bearer {keys['viewer']}"}
        assert (await server.api.get("/api/v1/kubeclusters", headers=viewer)).status_code == 200
        assert (await server.api.post("/api/v1/kubeclusters", json={"name": "x"}, headers=viewer)).status_code == 403


async def test_two_servers_that_start_at_once_on_an_old_database_both_serve(tmp_path):
    await old_database(tmp_path / "data")
    async with AsyncExitStack() as stack:
        servers = await asyncio.gather(*(stack.enter_async_context(a_server(tmp_path / "data")) for _ in range(2)))
        for server in servers:
            assert {tuple(key["roles"]) for key in (await server.get("apikeys"))["_items"]} == {("ADMIN",), ("VIEWER",)}


def test_other_roles_stay_as_they_are():
    assert name_roles({"roles": ["admin", "0" * 24, "Custom"]}) == Update(set={"roles": ["ADMIN", "0" * 24, "Custom"]})
    assert name_roles({"roles": ["ADMIN", "VIEWER", "Custom"]}) is None
    assert name_roles({"acls": []}) is None
