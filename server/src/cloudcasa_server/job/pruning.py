"""Dropping what nobody asks for any more: jobs that ended long ago, with their logs, commands and the progress of their volumes; old alerts.

Never the job of a recovery point that is there, nor one that its definition still shows, nor one that has not ended. A pass walks a part of the
old jobs, newest first, a small batch at a time, and the next one goes on there: each batch is a few reads by index and a few short writes, so that the
database serves others in between. What belongs to a job goes before it: a server that dies in between finds the job again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from ..kit.clock import Clock
from ..kit.lease import Lease
from ..kit.store import And, Compare, Document, In, Not, Query, Store, eq
from .model import COLLECTION

log = structlog.get_logger(__name__)

BATCH = 50
BATCHES = 200
"""In one pass: ten thousand jobs every ten minutes, more than a million a day."""
DAY_SECONDS = 86_400
_BREATH_SECONDS = 0.01
_PARTS = (("joblogs", "_id"), ("commands", "job"), ("kubepvcprogress", "job_id"))
_DEFINITIONS = (("backupdef", "kubebackups"), ("offloaddef", "kubeoffloads"), ("restoredef", "kuberestores"))
_FIELDS: Mapping[str, bool] = dict.fromkeys(("start_time", "script.is_open", *(path for path, _ in _DEFINITIONS)), True)


@dataclass
class Pruner:
    """Keeps the database from growing for ever."""

    store: Store
    clock: Clock
    lease: Lease
    job_days: int
    alert_days: int
    _after: Query | None = None
    """Where the next pass goes on; None: at the newest of the old jobs."""

    async def prune(self) -> None:
        """Drop a part of what is old, if this replica leads."""
        for _ in range(BATCHES):
            if await self.lease.hold() is None:
                return
            jobs = await self._next_jobs()
            if not jobs:
                break
            await self._drop(await self._unneeded(jobs))
            await asyncio.sleep(_BREATH_SECONDS)
        await self._prune_alerts()

    async def _next_jobs(self) -> Sequence[Document]:
        """Return some jobs that began long ago, and remember how far that is; none at the end, and then it begins anew."""
        old = Compare("start_time", "lt", self._now() - self.job_days * DAY_SECONDS)
        query = And((old, self._after)) if self._after else old
        jobs = await self.store.collection(COLLECTION).find(query, sort=(("start_time", -1),), limit=BATCH, projection=_FIELDS)
        self._after = _beyond(jobs[-1]) if jobs else None
        return jobs

    async def _unneeded(self, jobs: Sequence[Document]) -> list[str]:
        ended = {job["_id"]: job for job in jobs if not job["script"]["is_open"]}
        made = await self.store.collection("backupinstances").find(In("backup_job_id", tuple(ended)), projection={"backup_job_id": True})
        needed = {str(point["backup_job_id"]) for point in made}
        for path, collection in _DEFINITIONS:
            named = sorted({str(job[path]) for job in ended.values() if job.get(path)})
            found = await self.store.collection(collection).find(In("_id", tuple(named)), projection={"status": True}) if named else []
            needed |= {job_id for definition in found for job_id in _shown_jobs(definition)}
        return [job_id for job_id in ended if job_id not in needed]

    async def _drop(self, job_ids: Sequence[str]) -> None:
        if not job_ids:
            return
        for collection, path in (*_PARTS, (COLLECTION, "_id")):
            await self.store.collection(collection).delete_many(In(path, tuple(job_ids)))
        log.info("Old jobs dropped", count=len(job_ids))

    async def _prune_alerts(self) -> None:
        alerts = self.store.collection("alerts")
        old = Compare("_created", "lt", self._now() - self.alert_days * DAY_SECONDS)
        for _ in range(BATCHES):
            found = await alerts.find(old, sort=(("_created", -1),), limit=BATCH, projection={"_id": True})
            if not found:
                return
            await alerts.delete_many(In("_id", tuple(alert["_id"] for alert in found)))
            await asyncio.sleep(_BREATH_SECONDS)

    def _now(self) -> int:
        return int(self.clock.now().timestamp())


def _beyond(job: Document) -> Query:
    """Return the query of what comes after a job: older ones, and of those that began with it, the ones with a later id."""
    at = job["start_time"]
    return And((Compare("start_time", "lte", at), Not(And((eq("start_time", at), Compare("_id", "lte", job["_id"]))))))


def _shown_jobs(definition: Document) -> set[str]:
    """Return the jobs that a definition names as its latest."""
    status = definition.get("status") or {}
    return {str(each.get("jobid")) for each in status.get("jobs") or ()} | {str(status.get("jobid"))}
