"""A server without sockets on a clock that tests move: schedules are looked at and jobs run when a test says so. Two of them share a database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from cloudcasa_contract.states import JobState
from cloudcasa_server.app import create_app, open_database
from cloudcasa_server.backup.scheduler import Scheduler
from cloudcasa_server.job.model import Finish
from cloudcasa_server.kit.rest import Documents
from cloudcasa_server.kit.settings import Settings
from cloudcasa_server.kit.store import Document, Store, eq
from cloudcasa_server.kit.store.opening import FILE_NAME
from cloudcasa_server.kit.store.sqlite import SqliteStore
from fastapi import FastAPI

from .clock import FakeClock
from .server import FakeProbe, a_store_body

SETTLE_SECONDS = 60.0
_numbers = count()


@dataclass
class Scheduled:
    """One replica."""

    app: FastAPI
    api: httpx.AsyncClient
    clock: FakeClock
    store: Store

    @property
    def scheduler(self) -> Scheduler:
        scheduler: Scheduler = self.app.state.parts.worker.scheduler
        return scheduler

    @property
    def now(self) -> int:
        return self.clock.timestamp()

    def documents(self, name: str) -> Documents:
        parts = self.app.state.parts
        return Documents(self.app.state.rest.resources[name], store=parts.store, clock=parts.clock, vault=parts.vault)

    async def send(self, method: str, path: str, body: Any = None, *, status: int = 200, match: str = "*") -> dict[str, Any]:
        answer = await self.api.request(method, f"/api/v1/{path}", json=body, headers={"If-Match": match})
        assert answer.status_code == status, answer.text
        document: dict[str, Any] = answer.json() if answer.content else {}
        return document

    async def make(self, path: str, **body: Any) -> dict[str, Any]:
        return await self.send("POST", path, {"name": f"one-{next(_numbers)}"} | body, status=201)

    async def get(self, path: str) -> dict[str, Any]:
        return await self.send("GET", path)

    async def a_policy(self, line: str = "0 3 * * *", **fields: Any) -> dict[str, Any]:
        body = {"timezone": "UTC", "schedules": [{"retainDays": 7, "schedule": {"cronSpec": line}}]} | fields
        return await self.make("policies", **body)

    async def a_cluster(self, **fields: Any) -> dict[str, Any]:
        """Return a cluster that is ACTIVE, as far as jobs look."""
        cluster = await self.make("kubeclusters", **fields)
        await self.set_state(cluster, "ACTIVE")
        return cluster

    async def set_state(self, cluster: dict[str, Any], state: str) -> None:
        await self.documents("kubeclusters").set(cluster["_id"], {"status.state": state})

    async def a_backup(self, cluster: dict[str, Any], policy: dict[str, Any] | None, **fields: Any) -> dict[str, Any]:
        body = {"cluster": cluster["_id"], "source": {"all_namespaces": True}} | ({"policy": policy["_id"]} if policy else {})
        return await self.make("kubebackups", **(body | fields))

    async def pass_time(self, seconds: float) -> None:
        """Move the clock and look at the schedules."""
        self.clock.tick(seconds)
        await self.scheduler.look()

    async def pass_until(self, at: int) -> None:
        await self.pass_time(at - self.clock.now().timestamp())

    async def settle(self) -> None:
        await self.pass_time(SETTLE_SECONDS)

    async def run_jobs(self) -> None:
        """Go through every job's steps as far as they go now."""
        runner = self.app.state.parts.worker.runner
        while (job := await runner.claim()) is not None:
            await runner.advance(job)

    async def jobs(self, backup: dict[str, Any]) -> list[Document]:
        return await self.store.collection("jobs").find(eq("backupdef", backup["_id"]), sort=(("start_time", 1),))

    async def fired(self, backup: dict[str, Any]) -> list[int]:
        """Return the instants that have a job."""
        return [job["scheduled_time"] for job in await self.jobs(backup)]

    async def end_runs(self, cluster: dict[str, Any]) -> None:
        await self.app.state.parts.worker.runner.jobs.end_all(
            cluster["_id"], end=Finish(JobState.FAILED, "Ended by the test.", reason="cluster_deleted")
        )


@asynccontextmanager
async def a_replica(
    data_dir: Path, *, clock: FakeClock, store: Store | None = None, key: str = "", **settings: Any
) -> AsyncIterator[Scheduled]:
    """Give a replica; a second one is given the first one's store and key. It does nothing by itself."""
    data_dir.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"tls": False, "password_memory_kib": 8, "password_passes": 1, "schedule_settle_seconds": SETTLE_SECONDS}
    own = store or SqliteStore(data_dir / FILE_NAME, synchronous="OFF")
    app = create_app(Settings(data_dir=data_dir, **(options | settings)), store=own, clock=clock, probe=FakeProbe())
    await open_database(app)
    parts = app.state.parts
    await parts.people.prepare()
    await parts.stores.repository_password()
    await parts.keys.bootstrap(data_dir)
    key = (data_dir / "bootstrap-key").read_text().strip()
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://test", headers={"Authorization": f"Bearer {key}"}) as api:
        yield Scheduled(app, api, clock, own)
    if store is None:
        await own.close()


async def an_object_store(replica: Scheduled, **fields: Any) -> dict[str, Any]:
    return await replica.send("POST", "objectstores", a_store_body(f"store-{next(_numbers)}") | fields, status=201)
