"""Traces of the real program arrive at a collector that the operator named, tell no secrets, and go nowhere when none is named."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.receivers import Posts, a_receiver
from tests.support.server import FakeProbe, Running

TRACE = "0af7651916cd43dd8448eb211c80319c"
SECONDS = 30.0


@dataclass
class Collector:
    """An OTLP/HTTP receiver."""

    posts: Posts

    @property
    def url(self) -> str:
        return self.posts.url.partition("/hooks")[0]

    @property
    def raw(self) -> list[bytes]:
        return self.posts.bodies()

    @property
    def spans(self) -> list[Any]:
        resources = [resource for body in self.raw for resource in ExportTraceServiceRequest.FromString(body).resource_spans]
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


@contextmanager
def a_collector() -> Iterator[Collector]:
    with a_receiver() as posts:
        yield Collector(posts)


def a_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def the_program(data_dir: Path, **environment: str) -> Iterator[httpx.Client]:
    """Run cloudcasa-server until the block ends, then end it as Kubernetes does and expect a clean exit."""
    port = a_port()
    program = Path(sys.executable).with_name("cloudcasa-server")
    command = [str(program), "serve", "--data-dir", str(data_dir), "--host", "127.0.0.1", "--port", str(port)]
    settings = {"CLOUDCASA_TLS": "false", "OTEL_BSP_SCHEDULE_DELAY": "100", "NO_PROXY": "127.0.0.1", **environment}
    process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as client:
            _wait_ready(process)
            client.headers["Authorization"] = f"Bearer {(data_dir / 'bootstrap-key').read_text().strip()}"
            yield client
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=SECONDS)
        assert process.returncode in {0, -signal.SIGTERM}, errors
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _wait_ready(process: subprocess.Popen[str]) -> None:
    """Read the first screen: it comes when the server listens."""
    assert process.stdout
    assert any("is ready" in line for line in process.stdout), process.communicate()


def test_a_request_and_its_database_calls_are_one_trace_which_the_caller_may_have_begun(tmp_path):
    with a_collector() as collector:
        with the_program(tmp_path, CLOUDCASA_OTLP_ENDPOINT=collector.url) as client:
            policy = {"name": "nightly", "schedules": [{"retainDays": 7, "schedule": {"cronSpec": "30 0 * * *"}}]}
            made = client.post("/api/v1/policies", json=policy, headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
            client.get("/api/v1/policies", params={"where": '{"name": "hidden-from-traces"}'})

        assert made.status_code == 201
        (request,) = collector.named("POST /api/v1/policies")
        (insert,) = collector.named("insert policies")
        about = {one.key: one.value.string_value or one.value.int_value for one in request.attributes}
        assert (request.trace_id.hex(), insert.trace_id, insert.parent_span_id) == (TRACE, request.trace_id, request.span_id)
        assert (about["http.response.status_code"], about["http.route"]) == (201, "/api/v1/policies")
        assert about["cloudcasa.request_id"] == made.headers["x-request-id"]
        everything = b"".join(collector.raw)
        assert b"hidden-from-traces" not in everything
        assert client.headers["authorization"].encode() not in everything


async def protect(url: str, key: str) -> None:
    """Connect an agent and run a backup, to whatever end."""
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": key}, timeout=20, trust_env=False) as api:
        server = Running(url, FastAPI(), api, FakeProbe())
        cluster = await server.a_cluster()
        agent = await server.an_agent(cluster)
        async with agent.connected():
            await server.state(cluster["_id"], "ACTIVE")
            backup = await server.a_backup(cluster["_id"])
            await server.act(f"kubebackups/{backup['_id']}/action/run")
            await server.job(backupdef=backup["_id"])


def test_steps_of_jobs_and_commands_to_agents_have_spans(tmp_path):
    with a_collector() as collector:
        with the_program(tmp_path, CLOUDCASA_OTLP_ENDPOINT=collector.url) as client:
            asyncio.run(protect(str(client.base_url), client.headers["authorization"]))

        names = {span.name for span in collector.spans}
        assert {"deliver engine.ensure", "take in engine.ensure", "K8S_SNAP preflight"} <= names
        assert b"prod-eu" not in b"".join(collector.raw)


def test_nothing_is_sent_when_no_endpoint_is_named(tmp_path):
    with a_collector() as collector:
        elsewhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "FASTAPI_OTEL_AUTO_CONFIGURE": "true"}
        with the_program(tmp_path, **elsewhere) as client:
            assert client.get("/api/v1/policies").status_code == 200

        assert collector.raw == []


def test_a_collector_that_is_away_does_not_hold_up_requests_or_the_end(tmp_path):
    with the_program(tmp_path, CLOUDCASA_OTLP_ENDPOINT=f"http://127.0.0.1:{a_port()}") as client:
        assert client.get("/api/v1/policies").status_code == 200


@pytest.mark.parametrize("endpoint", ["collector:4317", "ftp://collector"])
def test_an_endpoint_that_is_no_url_is_a_sentence_at_start(tmp_path, endpoint):
    program = Path(sys.executable).with_name("cloudcasa-server")
    ended = subprocess.run(
        [str(program), "serve", "--data-dir", str(tmp_path)],
        env={**os.environ, "CLOUDCASA_OTLP_ENDPOINT": endpoint},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )

    assert (ended.returncode, "it must look like http://collector:4318" in ended.stderr) == (2, True)
