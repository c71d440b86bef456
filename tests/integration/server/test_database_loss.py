"""The embedded database fails under a running server: 503 that says to try again, and on it goes once the trouble is over."""

from __future__ import annotations

import sqlite3

from cloudcasa_server.kit.store import sqlite as adapter
from cloudcasa_server.kit.store.opening import FILE_NAME

from tests.support.server import a_server

POLICY = {"schedules": [{"retainDays": 3, "schedule": {"cronSpec": "0 1 * * *"}}]}


async def limit_pages(server, pages):
    """Let the database file grow to so many pages: what a full disk is to SQLite."""

    def change(connection):
        return connection.run(f"PRAGMA max_page_count={pages}").fetchone()[0]

    return await server.parts.store.write(change)


def must_be_503(answer):
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"] == "5"
    assert "Try again" in answer.json()["_error"]["message"]


async def test_full_disk_refuses_writes_and_still_reads_and_nothing_is_half_made(tmp_path):
    async with a_server(tmp_path / "data") as server:
        policy = await server.make("policies", name="kept", **POLICY)
        await limit_pages(server, 1)
        large = {"description": "x" * 900_000, "name": "large"}
        must_be_503(await server.post("kubeclusters", **large))
        assert (await server.get(f"policies/{policy['_id']}"))["name"] == "kept"
        assert (await server.get("kubeclusters"))["_meta"]["total"] == 0
        await limit_pages(server, 1_000_000)
        assert (await server.post("kubeclusters", **large)).status_code in {201, 422}
        assert (await server.post("policies", name="after", **POLICY)).status_code == 201


async def test_file_that_another_process_holds_is_503_until_it_lets_go(tmp_path, monkeypatch):
    monkeypatch.setattr(adapter, "BUSY_TIMEOUT_SECONDS", 0.1)
    async with a_server(tmp_path / "data") as server:
        holder = sqlite3.connect(tmp_path / "data" / FILE_NAME, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        must_be_503(await server.post("policies", name="a", **POLICY))
        assert (await server.get("policies"))["_meta"]["total"] == 0
        holder.execute("ROLLBACK")
        holder.close()
        assert (await server.post("policies", name="a", **POLICY)).status_code == 201


async def test_jobs_and_agents_go_on_when_the_file_is_free_again(tmp_path, monkeypatch):
    monkeypatch.setattr(adapter, "BUSY_TIMEOUT_SECONDS", 0.1)
    async with a_server(tmp_path / "data") as server:
        await server.a_store()
        cluster = await server.a_cluster()
        agent = await server.an_agent(cluster)
        async with agent.connected():
            await server.state(cluster["_id"], "ACTIVE")
            backup = await server.a_backup(cluster["_id"])
            holder = sqlite3.connect(tmp_path / "data" / FILE_NAME, isolation_level=None)
            holder.execute("BEGIN IMMEDIATE")
            must_be_503(await server.post(f"kubebackups/{backup['_id']}/action/run"))
            holder.execute("ROLLBACK")
            holder.close()
        async with agent.connected():
            await server.state(cluster["_id"], "ACTIVE")
            await server.act(f"kubebackups/{backup['_id']}/action/run")
            assert (await server.job(backupdef=backup["_id"]))["state"] == "COMPLETED"
