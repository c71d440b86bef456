"""Runs and restores against the real server, with an agent that answers as a healthy, a failing or a silent one would."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cloudcasa_contract.commands import Output, Problem
from cloudcasa_contract.frames import CommandFrame
from cloudcasa_server.kit.store.opening import FILE_NAME
from cloudcasa_server.kit.store.sqlite import SqliteStore

from ansible_collections.cloudcasa.core.plugins.module_utils._http import OpenUrlHttp
from ansible_collections.cloudcasa.core.plugins.module_utils._jobs import find_new_job
from ansible_collections.cloudcasa.core.plugins.module_utils._resources import CloudCasa
from tests.support.scripted_agent import ScriptedAgent, a_backup, answer, bootstrap_credential
from tests.unit.collection.conftest import Rest
from tests.unit.collection.modules import Runner

pytestmark = pytest.mark.unit

Answer = Callable[[CommandFrame], Output | Problem | None]
ACTIVE_SECONDS = 10


class Workshop:
    """A cluster with an object store and an agent that is connected, in a thread of its own."""

    def __init__(self, modules: Runner, auth: dict[str, Any]) -> None:
        self.modules = modules
        self._auth = auth
        self._loop = asyncio.new_event_loop()
        self._done: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def open(self, answers: Answer = answer) -> None:
        """Make store, cluster and backup `shop`, and connect the agent."""
        store = f"shop-{secrets.token_hex(4)}"
        self.modules("object_store", name=store, bucket=store, endpoint="https://s3.example", access_key="AK", secret_key="SK")
        cluster = self.modules("cluster", name="shop", object_store=store)["cluster"]
        self.modules("backup", name="shop", cluster="shop", namespaces=["web"], copy=True)
        http = OpenUrlHttp(ca_path=self._auth["ca_path"])
        manifest = http.request("GET", cluster["status"]["agentURL"], headers={}).body.decode()
        agent = ScriptedAgent(
            self._auth["api_url"],
            cluster["id"],
            bootstrap_credential(manifest),
            answers=answers,
            ssl_context=ssl.create_default_context(cafile=self._auth["ca_path"]),
        )
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._stay(agent),), daemon=True)
        self._thread.start()
        self._wait_active()

    def close(self) -> None:
        """Hang up."""
        if self._thread is not None and self._done is not None:
            self._loop.call_soon_threadsafe(self._done.set)
            self._thread.join(timeout=5)
        self._loop.close()

    async def _stay(self, agent: ScriptedAgent) -> None:
        self._done = asyncio.Event()
        with contextlib.suppress(Exception):
            async with agent.connected():
                await self._done.wait()

    def _wait_active(self) -> None:
        deadline = threading.Event()
        for _ in range(ACTIVE_SECONDS * 20):
            if self.modules("cluster_info", name="shop", state="ACTIVE")["clusters"]:
                return
            deadline.wait(0.05)
        pytest.fail(f"the cluster is {self.modules('cluster_info', name='shop')['clusters']}")


@pytest.fixture
def workshop(modules: Runner, api: Any) -> Iterator[Workshop]:
    made = Workshop(modules, api.auth)
    yield made
    made.close()


def but(kind: str, instead: Output | Problem | None) -> Answer:
    """Answer as a healthy agent, except for one kind of command."""
    return lambda command: instead if command.command.kind == kind else answer(command)


def test_run_returns_the_recovery_point_and_restore_uses_it(workshop: Workshop) -> None:
    workshop.open()
    modules = workshop.modules
    ran = modules("backup_run", backup="shop", retain_days=3, wait_timeout=30)
    point = ran["recovery_point"]
    assert (ran["job"]["state"], point["state"], point["type"]) == ("COMPLETED", "READY", "COPY")
    assert point["retention"]["retainDays"] == 3
    assert modules("recovery_point_info", backup="shop", state="READY", limit=1)["recovery_points"][0]["id"] == point["id"]
    assert modules("job_info", id=ran["job"]["id"])["jobs"][0]["backupdef"] == ran["backup"]["id"]
    restored = modules("restore", backup="shop", name="once", namespaces=["web"], wait_timeout=30)
    assert restored["changed"]
    assert (restored["restore"]["backup_inst"], restored["job"]["state"]) == (point["id"], "COMPLETED")
    again = modules("restore", backup="shop", name="once", namespaces=["web"], wait_timeout=30)
    assert not again["changed"]
    assert again["restore"]["id"] == restored["restore"]["id"]
    assert modules("restore", recovery_point=point["id"], wait_timeout=30)["changed"]


def test_second_run_at_once_makes_a_second_recovery_point(workshop: Workshop) -> None:
    workshop.open()
    points = [workshop.modules("backup_run", backup="shop", wait_timeout=30)["recovery_point"]["id"] for _ in range(2)]
    assert len(set(points)) == 2


def test_failed_run_fails_with_the_servers_message(workshop: Workshop) -> None:
    workshop.open(but("backup.run", Problem(slug="backup-failed", text="The disk is on fire.")))
    failed = workshop.modules.fail("backup_run", backup="shop", wait_timeout=30)
    assert failed["failure"]["code"] == "job_failed"
    assert "The disk is on fire." in failed["msg"]
    assert failed["job"]["state"] == "FAILED"


def test_partial_run_is_a_failure_unless_allowed(workshop: Workshop) -> None:
    workshop.open(but("backup.run", a_backup(phase="PartiallyFailed", errors=1)))
    failed = workshop.modules.fail("backup_run", backup="shop", wait_timeout=30)
    assert failed["failure"]["code"] == "job_partial"
    assert "allow_partial" in failed["msg"]
    assert workshop.modules("backup_run", backup="shop", wait_timeout=30, allow_partial=True)["job"]["state"] == "PARTIAL"


def test_time_that_is_up_returns_the_job_as_last_seen(workshop: Workshop) -> None:
    workshop.open(but("backup.run", None))
    failed = workshop.modules.fail("backup_run", backup="shop", wait_timeout=1)
    assert failed["failure"]["code"] == "timeout"
    assert failed["job"]["state"] in {"PENDING", "RUNNING"}


def test_restore_without_a_recovery_point_says_so(workshop: Workshop) -> None:
    workshop.open()
    failed = workshop.modules.fail("restore", backup="shop")
    assert "has no recovery point that is READY" in failed["msg"]


def test_run_by_schedule_is_not_taken_for_the_one_that_was_asked_for(api: Any) -> None:
    """Both may begin between two looks; the later one would be waited for, and be SKIPPED."""
    backup_id = secrets.token_hex(12)
    asked, scheduled = ({"_id": secrets.token_hex(12), "type": "K8S_SNAP", "backupdef": backup_id, "start_time": at} for at in (101, 102))
    store = SqliteStore(api.data_dir / FILE_NAME, synchronous="OFF")

    async def keep() -> None:
        for job in (asked, scheduled | {"scheduled_time": 102}):
            await store.collection("jobs").insert(job)
        await store.close()

    asyncio.run(keep())
    found = find_new_job(CloudCasa(Rest(api).api), backup_id=backup_id, after=100)
    assert found["_id"] == asked["_id"]
