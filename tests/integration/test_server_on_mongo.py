"""The main road once more, on a MongoDB-compatible database, with two servers at once; and every list, for everybody and for a team."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from tests.support.known_lists import known_lists
from tests.support.server import Running, a_database, a_server
from tests.support.world import World, a_world


async def test_two_servers_back_up_and_restore_on_one_mongo(mongo_url, tmp_path):
    url = a_database(mongo_url)
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(a_server(tmp_path / "data", database_url=url))
        two = await stack.enter_async_context(a_server(tmp_path / "data", database_url=url))
        await one.a_store()
        cluster = await two.a_cluster()
        agent = await one.an_agent(cluster)
        await stack.enter_async_context(agent.connected())
        await two.state(cluster["_id"], "ACTIVE")
        backup = await two.a_backup(cluster["_id"])
        await two.act(f"kubebackups/{backup['_id']}/action/run")
        job = await one.job(backupdef=backup["_id"])
        assert job["state"] == "COMPLETED", job["message"]
        (point,) = (await two.get("backupinstances"))["_items"]
        restore = await two.make("kuberestores", name="back", backup_inst=point["_id"], selection={"all_namespaces": True})
        assert (await one.job(restoredef=restore["_id"]))["state"] == "COMPLETED"
        assert len(agent.of_kind("backup.run")) == 1


async def test_every_list_is_answered_to_all_and_to_a_team(mongo_url, tmp_path):
    async with a_server(tmp_path / "data", database_url=a_database(mongo_url)) as server, a_world(server) as world:
        other = await server.a_cluster("other")
        await server.a_backup(other["_id"], "theirs")
        acls = [{"resource": "kubeclusters", "resourceIds": [world.cluster["_id"]], "permissions": ["*.read"]}]
        key = (await server.make("apikeys", name="team", acls=acls))["apikey"]
        lists = [resource.name for resource in server.app.state.rest.resources.values() if "list" in resource.methods]
        for name in lists:
            await _list(server, name)
        assert [one["_id"] for one in (await _list(server, "kubebackups", key=key))["_items"]] == [world.backup["_id"]]
        assert (await _list(server, "kubeclusters", key=key))["_meta"]["total"] == 1
        for name, words in _known(world):
            for seen_by in (None, key):
                assert (await _list(server, name, key=seen_by, words=words))["_meta"]["total"] in {0, 1, 2}
        entries = (await _list(server, "auditlogs", words={"where": '{"resource": "apikeys"}'}))["_items"]
        assert {(one["operation"], one["name"]) for one in entries} >= {("create", "team")}
        assert (await server.get("dashboard"))["kubernetes"]["num_active_clusters"] == 1


def _known(world: World) -> list[tuple[str, dict[str, str]]]:
    return list(known_lists(cluster=world.cluster["_id"], backup=world.backup["_id"], since=0).values())


async def _list(server: Running, name: str, *, key: str | None = None, words: Mapping[str, str] | None = None) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = await server.api.get(f"/api/v1/{name}", params=words or {}, headers=headers)
    assert answer.status_code == (403 if name == "users" else 200), f"{name} {words}: {answer.text}"
    return answer.json()
