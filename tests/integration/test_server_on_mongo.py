"""The main road once more, on a MongoDB-compatible database, with two servers at once."""

from __future__ import annotations

from contextlib import AsyncExitStack
from secrets import token_hex

from tests.support.server import a_server


def a_database(url: str) -> str:
    """Return the URL with a database of this test's own."""
    head, _, query = url.partition("?")
    scheme, _, rest = head.partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}://{host}/cloudcasa_{token_hex(4)}" + (f"?{query}" if query else "")


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
