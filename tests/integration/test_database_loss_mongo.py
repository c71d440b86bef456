"""FerretDB and PostgreSQL die under running servers, and come back: 503 with Retry-After, then on it goes without a restart.

The database is this module's own, since killing the lab's would disturb the other tests.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.mongo_standin import mongo_standin
from tests.support.scripted_agent import ScriptedAgent, answer, eventually
from tests.support.server import a_database, a_server

POLICY = {"schedules": [{"retainDays": 3, "schedule": {"cronSpec": "0 1 * * *"}}]}
SERVER = Path(sys.executable).with_name("cloudcasa-server")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    with mongo_standin(tmp_path_factory.mktemp("standin") / "home") as standin:
        yield standin


def unanswered(command):
    return None if command.command.kind == "backup.run" else answer(command)


def must_be_503(response):
    assert response.status_code == 503, response.text
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("victims", [("ferretdb",), ("postgres",), ("ferretdb", "postgres")], ids=["front", "back", "both"])
async def test_requests_agents_and_jobs_go_on_when_the_database_is_back(database, tmp_path, victims):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(a_server(tmp_path / "data", database_url=a_database(database.url)))
        await server.a_store()
        cluster = await server.a_cluster()
        agent = await server.an_agent(cluster, answers=unanswered)
        async with agent.connected():
            await server.state(cluster["_id"], "ACTIVE")
            backup = await server.a_backup(cluster["_id"])
            await server.act(f"kubebackups/{backup['_id']}/action/run")
            await agent.command("backup.run")
            await asyncio.to_thread(database.kill, *victims)
            try:
                policy = {"name": "lost", **POLICY}
                for request in (
                    server.api.get("/api/v1/kubebackups"),
                    server.api.get(f"/api/v1/kubebackups/{backup['_id']}"),
                    server.api.patch(f"/api/v1/kubebackups/{backup['_id']}", json={"pause": True}, headers={"If-Match": backup["_etag"]}),
                    server.api.post("/api/v1/policies", json=policy),
                    server.api.get("/readyz"),
                ):
                    must_be_503(await request)
                assert (await server.api.get("/healthz")).status_code == 200
            finally:
                await asyncio.to_thread(database.start, *reversed(victims))

        async def is_back():
            return (await server.api.get("/api/v1/policies")).status_code == 200

        await eventually(is_back, seconds=30)
        assert (await server.get("policies"))["_meta"]["total"] == 0
        again = ScriptedAgent(server.url, cluster["_id"], agent.welcome.credential.get_secret_value(), answers=answer)
        await stack.enter_async_context(again.connected())
        await server.state(cluster["_id"], "ACTIVE")
        assert (await server.job(backupdef=backup["_id"], seconds=90))["state"] == "COMPLETED"


async def test_a_server_that_starts_before_its_database_waits_for_it_and_says_so(database, tmp_path):
    database.kill()
    listening = {"CLOUDCASA_TLS": "false", "CLOUDCASA_DATABASE_URL": a_database(database.url), "CLOUDCASA_DATABASE_WAIT_SECONDS": "90"}
    command = [SERVER, "serve", "--data-dir", tmp_path / "data", "--host", "127.0.0.1", "--port", "18643"]
    log = tmp_path / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(command, env={**os.environ, **listening}, stdout=sink, stderr=sink)
    try:

        async def waits():
            return "waiting for it" in log.read_text()

        await eventually(waits, seconds=30)
        await asyncio.to_thread(database.start)

        async def serves():
            async with httpx.AsyncClient(trust_env=False) as client:
                try:
                    return (await client.get("http://127.0.0.1:18643/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

        await eventually(serves, seconds=60)
        assert "The database is reached" in log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
