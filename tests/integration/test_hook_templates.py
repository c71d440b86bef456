"""The templates that need nothing but a shell and curl, against a real HTTP server: what they ask, with which login, and how they end.

The others need their databases. They were run by hand against PostgreSQL 15, MariaDB 10.11, Redis 7.0 and etcd 3.4: docs/dev/findings.md.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cloudcasa_server.hook.model import arguments
from cloudcasa_server.hook.templates import templates

BEFORE = "Elasticsearch and OpenSearch, before a backup"
AFTER = "Elasticsearch and OpenSearch, after a restore"
PASSWORD = 'a "b\\c'


@dataclass
class Engine:
    """An HTTP server that answers as it is told, and keeps what was asked."""

    login: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    def answer(self, method: str, path: str, authorization: str) -> int:
        self.asked.append((method, path))
        if self.login and authorization != "Basic " + base64.b64encode(self.login.encode()).decode():
            return 401
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextmanager
def served(engine: Engine) -> Iterator[Engine]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(engine.answer(self.command, self.path, self.headers.get("Authorization", "")))
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 -- the name that http.server asks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        engine.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield engine
        server.shutdown()


def run(name: str, *, port: int, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a template's script as the pod would, but for the port."""
    template = next(each for each in templates() if each["name"] == name)
    (shell, option, script) = arguments(template["hook"][0]["target"][0]["command"])
    script = script.replace("127.0.0.1:9200", f"127.0.0.1:{port}")
    clean = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run([shell, option, script], env=clean, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("environment", "login"),
    [
        ({}, ""),
        ({"ELASTIC_PASSWORD": PASSWORD}, f"elastic:{PASSWORD}"),
        ({"OPENSEARCH_INITIAL_ADMIN_PASSWORD": PASSWORD}, f"admin:{PASSWORD}"),
    ],
    ids=["open", "elastic", "opensearch"],
)
def test_flush_logs_in_with_what_the_pod_has(environment, login):
    with served(Engine(login=login)) as engine:
        done = run(BEFORE, port=engine.port, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert engine.asked == [("POST", "/_flush?wait_if_ongoing=true")]


@pytest.mark.parametrize(("status", "text"), [(401, "HTTP 401"), (503, "HTTP 503")])
def test_flush_that_is_refused_fails_and_shows_no_password(status, text):
    with served(Engine(statuses=[status])) as engine:
        done = run(BEFORE, port=engine.port, ELASTIC_PASSWORD=PASSWORD)
    assert (done.returncode, text in done.stderr, PASSWORD in done.stderr + done.stdout) == (1, True, False)


def test_flush_without_a_server_fails():
    with served(Engine()) as engine:
        pass
    done = run(BEFORE, port=engine.port)
    assert (done.returncode, "nothing answers" in done.stderr) == (1, True)


def test_restore_waits_until_the_shards_are_there():
    with served(Engine(statuses=[408, 408, 200])) as engine:
        done = run(AFTER, port=engine.port)
    assert (done.returncode, len(engine.asked)) == (0, 3)
