"""What a server tells those who watch over it: probes, metrics, and a line of log for each request."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
import structlog
from cloudcasa_server.app import create_app
from cloudcasa_server.kit.settings import Settings
from cloudcasa_server.kit.store import StoreUnavailableError
from cloudcasa_server.monitor import probes

from tests.support.server import a_server
from tests.support.world import a_world


@pytest.fixture
def app(tmp_path):
    return create_app(Settings(data_dir=tmp_path, tls=False))


@pytest.fixture
async def client(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://test") as client:
        yield client


async def metrics_of(server: Any) -> dict[str, float]:
    answer = await server.api.get("/metrics")
    assert answer.status_code == 200, answer.text
    lines = [line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_a_server_that_is_starting_is_alive_and_not_ready(client):
    alive, ready = await client.get("/healthz"), await client.get("/readyz")

    assert (alive.status_code, ready.status_code) == (200, 503)
    assert "is starting" in ready.json()["_error"]["message"]
    assert ready.headers["retry-after"] == "2"


async def test_a_server_that_is_shutting_down_is_not_ready(server):
    assert (await server.api.get("/readyz")).status_code == 200

    server.parts.readiness.drain()

    assert "shutting down" in (await server.api.get("/readyz")).json()["_error"]["message"]


async def test_a_server_without_its_database_is_alive_and_not_ready_and_its_metrics_say_so(server, monkeypatch):
    async def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("gone")

    monkeypatch.setattr(server.parts.store._inner, "ping", away)
    monkeypatch.setattr(type(server.parts.store._inner.collection("jobs")), "count", away)

    assert (await server.api.get("/healthz")).status_code == 200
    assert (await server.api.get("/readyz")).status_code == 503
    assert (await metrics_of(server))["cloudcasa_database_up"] == 0


async def test_a_database_that_does_not_answer_makes_a_probe_fail_and_not_wait(server, monkeypatch):
    monkeypatch.setattr(server.parts.store._inner, "ping", asyncio.Event().wait)
    monkeypatch.setattr(probes, "READY_SECONDS", 0.05)

    answer = await server.api.get("/readyz")

    assert (answer.status_code, "did not answer within" in answer.text) == (503, True)


async def test_metrics_need_a_key_by_default(server):
    assert (await server.api.get("/metrics", headers={"Authorization": ""})).status_code == 401
    assert (await server.api.get("/metrics")).headers["content-type"].startswith("text/plain; version=")


@pytest.mark.parametrize(("access", "status"), [("open", 200), ("off", 404)])
async def test_an_operator_may_open_the_metrics_or_take_them_away(tmp_path, access, status):
    async with a_server(tmp_path, metrics_access=access) as server:
        assert (await server.api.get("/metrics", headers={"Authorization": ""})).status_code == status


async def test_requests_are_counted_by_route_and_never_by_path(server):
    for number in range(3):
        await server.api.get(f"/api/v1/policies/{number:024x}")
    await server.api.get("/api/v1/no-such-thing-4711")
    await server.api.request("TRACE", "/coffee-4711")

    found = await metrics_of(server)

    assert found['cloudcasa_http_requests_total{method="GET",route="/api/v1/policies/{id}",status="404"}'] == 3
    assert found['cloudcasa_http_request_seconds_count{method="GET",route="/api/v1/policies/{id}"}'] == 3
    assert not [name for name in found if "4711" in name or "TRACE" in name]
    assert any('method="other"' in name for name in found)


async def test_metrics_tell_of_clusters_jobs_commands_and_agents_and_name_nobody(server):
    async with a_world(server) as world:
        found = await metrics_of(server)

    assert found['cloudcasa_clusters{state="ACTIVE"}'] == 1
    assert found["cloudcasa_agents_connected"] == 1
    assert found['cloudcasa_jobs_ended_total{state="COMPLETED",type="K8S_COPY"}'] == 1
    assert found['cloudcasa_job_seconds_count{type="RESTORE"}'] == 1
    assert found['cloudcasa_jobs_open{state="RUNNING"}'] == 0
    assert found['cloudcasa_leases{kind="job"}'] == 0
    assert found["cloudcasa_outbox_oldest_seconds"] == 0
    assert found["cloudcasa_database_up"] == 1
    assert found['cloudcasa_store_call_seconds_count{collection="jobs",operation="claim"}'] > 0
    text = " ".join(found)
    assert not [name for name in (world.cluster["name"], world.cluster["_id"], "nightly") if name in text]


async def test_scrapes_at_once_look_at_the_database_once(server):
    await asyncio.gather(*(server.api.get("/metrics") for _ in range(5)))

    found = await metrics_of(server)

    assert found['cloudcasa_store_call_seconds_count{collection="kubeclusters",operation="count"}'] <= 3


async def test_each_request_is_logged_with_its_route_and_caller_and_without_its_query(server):
    with structlog.testing.capture_logs() as logs:
        await server.api.get("/api/v1/policies", params={"where": json.dumps({"name": "s3cr3t"})}, headers={"X-Request-ID": "mine"})
        await server.api.get("/healthz")

    (line,) = [entry for entry in logs if entry["event"] == "Request answered" and entry["log_level"] == "info"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/v1/policies", 200)
    assert re.fullmatch("[0-9a-f]{24}", line["principal"])
    assert "s3cr3t" not in str(logs)


async def test_an_operator_may_silence_the_log_of_requests(tmp_path):
    async with a_server(tmp_path, access_log=False) as server:
        with structlog.testing.capture_logs() as logs:
            await server.api.get("/api/v1/policies")

    assert not [entry for entry in logs if entry["event"] == "Request answered" and entry["log_level"] == "info"]
