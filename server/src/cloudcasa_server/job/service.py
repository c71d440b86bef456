"""Opening jobs, recording their steps, and telling the definitions what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudcasa_contract.frames import Progress
from cloudcasa_contract.states import JobState, JobType

from ..alert.model import ALERTING
from ..kit.bus import Bus
from ..kit.clock import Clock
from ..kit.errors import InvalidError
from ..kit.rest import Documents
from ..kit.store import And, Collection, Compare, Document, Query, Store, Update, eq
from .model import ACTIVITY_CHARACTERS, ACTIVITY_LIMIT, Finish, JobRequest, final_shown, job_fields
from .slots import TURNS, WAITS_ON
from .volumes import Volumes, rows_on_the_way

TOPIC = "jobs"
_DEFINITIONS = (("backupdef", "kubebackups"), ("offloaddef", "kubeoffloads"), ("restoredef", "kuberestores"))
_SHOWN_JOBS = 3
_RUNS = frozenset({JobType.K8S_SNAP.value, JobType.K8S_COPY.value})
_LOOKED_AT = 20
"""How many of a definition's latest jobs are looked at for one that goes on: there is hardly more than one, and each run looks."""
_RACES = 5
_WOKEN = 3
"""How many look again when a slot is given back: the first may find that it has to wait for something else as well."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of all clusters."""

    documents: Documents
    store: Store
    bus: Bus
    clock: Clock
    volumes: Volumes
    lease_seconds: float
    """How long a runner may be silent before another takes its job; each recorded step prolongs it."""

    @property
    def _jobs(self) -> Collection:
        return self.documents.collection

    def now(self) -> float:
        """Return the time as seconds since 1970."""
        return self.clock.now().timestamp()

    async def open(self, request: JobRequest, /) -> Document:
        """Store a new job, point its definitions to it and wake a runner."""
        now = self.now()
        job = self.documents.new(job_fields(request, start_time=await self._start_time(request, now=now), now=now))
        try:
            await self.documents.insert(job)
        except InvalidError:
            if (opened := await self.get(job["_id"])) is None:
                raise
            return opened
        await self.tell_definitions(job)
        await self.bus.publish(TOPIC, {})
        return job

    async def _start_time(self, request: JobRequest, *, now: float) -> int:
        """Return the time of the run: later than the run before it, even in the same second, since Terraform looks for a later one."""
        start = int(now)
        for path, collection in _DEFINITIONS:
            definition_id = request.fields.get(path)
            if not definition_id:
                continue
            for _ in range(_RACES):
                definition = await self.store.collection(collection).get(str(definition_id))
                if definition is None:
                    break
                previous = (definition.get("status") or {}).get("last_job_run_time")
                start = max(start, (previous or 0) + 1) if previous is not None else start
                changed = await self.store.collection(collection).update(
                    str(definition_id),
                    Update(set={"status.last_job_run_time": start}),
                    expected=eq("status.last_job_run_time", previous),
                )
                if changed is not None:
                    break
        return start

    async def get(self, job_id: str, /) -> Document | None:
        """Return the job or None."""
        return await self._jobs.get(job_id)

    async def is_overlapping(self, job: Document, /) -> bool:
        """Tell whether another run of the same definition is under way, or about to begin before this one. One that waits is neither."""
        latest = await self._jobs.find(eq("backupdef", job.get("backupdef")), sort=(("start_time", -1),), limit=_LOOKED_AT)
        return any(_is_before(job, other) for other in latest)

    async def record(self, job: Document, changes: Mapping[str, Any], /, *, activity: str = "", owner: str) -> Document | None:
        """Write a step's outcome if `owner` still holds the lease and nobody ended the job; return the job as it is now, or None."""
        if changes.get("script.is_open") is False:
            await self.volumes.close(job)
        change = Update(
            set={**changes, "script.lease.until": self.now() + self.lease_seconds, "_updated": int(self.now())},
            push={"activity": activity} if activity else {},
        )
        changed = await self._jobs.update(job["_id"], change, expected=And((eq("script.lease.owner", owner), _OPEN)))
        if changed is not None and "state" in changes:
            await self.tell_definitions(changed)
        if changed is not None and not changed["script"]["is_open"]:
            await self._wake_waiting(changed)
        return changed

    async def _wake_waiting(self, job: Document) -> None:
        """Let those look again whose turn it may be, now that a run has ended."""
        for key in job["script"].get("slots", ()):
            waiting = And((_OPEN, eq(WAITS_ON, key)))
            for first in await self._jobs.find(waiting, sort=TURNS, limit=_WOKEN, projection={"name": True}):
                await self.wake(first["_id"])

    async def wake(self, job_id: str, /) -> None:
        """Make a job due now: something it waits for has happened."""
        await self._jobs.update(job_id, Update(set={"script.due_at": 0.0}, increment={"script.wakes": 1}), expected=_OPEN)
        await self.bus.publish(TOPIC, {})

    async def note(self, job_id: str, text: str, /, *, changes: Mapping[str, Any] | None = None) -> None:
        """Add a line to the activity of a job that is under way, and other fields that only inform."""
        fields = {**(changes or {}), "_updated": int(self.now())}
        job = await self._jobs.update(job_id, Update(set=fields, push={"activity": text} if text else {}), expected=_OPEN)
        if job is not None and len(job["activity"]) > ACTIVITY_LIMIT:
            shorter = Update(set={"activity": job["activity"][-ACTIVITY_LIMIT:]})
            await self._jobs.update(job_id, shorter, expected=eq("activity", job["activity"]))

    async def note_cluster(self, cluster_id: str, text: str, /) -> None:
        """Tell every running job of a cluster something."""
        for job in await self._jobs.find(And((eq("cluster", cluster_id), _OPEN)), projection={"name": True}):
            await self.note(job["_id"], text)

    async def record_progress(self, job: Document, progress: Progress, /) -> None:
        """Show how far the command of a job is."""
        last = job["activity"][-1] if job["activity"] else ""
        text = progress.activity[:ACTIVITY_CHARACTERS]
        await self.note(job["_id"], text if text != last else "", changes=_progress_fields(job, progress))
        await self.volumes.record(job, rows_on_the_way(job, progress))

    async def end_all(self, cluster_id: str, /, *, end: Finish) -> None:
        """End every running job of a cluster that is no more."""
        for job in await self._jobs.find(And((eq("cluster", cluster_id), _OPEN))):
            await self.end(job["_id"], end, expected=_OPEN)

    async def end(self, job_id: str, end: Finish, /, *, expected: Query) -> Document | None:
        """End a job from outside of its script, if it is as expected; return it then."""
        change = Update(set={**final_fields(end, now=self.now()), "_updated": int(self.now())}, push={"activity": end.message})
        ended = await self._jobs.update(job_id, change, expected=expected)
        if ended is not None:
            await self.volumes.close(ended)
            await self.tell_definitions(ended)
            await self._wake_waiting(ended)
        return ended

    async def change(self, job_id: str, changes: Mapping[str, Any], /, *, activity: str, expected: Query) -> Document | None:
        """Change a job from outside of its script, if it is as expected, and let its runner look at once."""
        change = Update(
            set={**changes, "script.due_at": 0.0, "_updated": int(self.now())}, push={"activity": activity}, increment={"script.wakes": 1}
        )
        changed = await self._jobs.update(job_id, change, expected=expected)
        if changed is not None:
            await self.tell_definitions(changed)
            await self.bus.publish(TOPIC, {})
        return changed

    async def tell_definitions(self, job: Document, /) -> None:
        """Show on the definitions that a job belongs to what became of their latest jobs."""
        for path, collection in _DEFINITIONS:
            if definition_id := job.get(path):
                await self._tell(collection, definition_id, eq(path, definition_id))

    async def _tell(self, collection: str, definition_id: str, query: Query) -> None:
        """Write, then look again: of two who write at once, the later may have looked earlier."""
        written: Mapping[str, Any] | None = None
        for _ in range(_RACES):
            fields = _shown_on(collection, await self._latest(query))
            if not fields or fields == written:
                return
            written = fields
            await self.store.collection(collection).update(definition_id, Update(set=fields))

    async def _latest(self, query: Query) -> Sequence[Document]:
        is_run = Compare("type", "ne", JobType.DELETE_BACKUP.value)
        return await self._jobs.find(And((query, is_run)), sort=(("start_time", -1), ("_id", -1)), limit=_SHOWN_JOBS)


_OPEN = eq("script.is_open", True)


def _is_before(job: Document, other: Document) -> bool:
    """Tell whether the other run goes on, or begins before this one."""
    if other["_id"] == job["_id"] or not other["script"]["is_open"] or other["script"].get("waits") or other["type"] not in _RUNS:
        return False
    is_first = (other["start_time"], other["_id"]) < (job["start_time"], job["_id"])
    return is_first or other["state"] != JobState.PENDING.value


def final_fields(end: Finish, /, *, now: float) -> dict[str, Any]:
    """Return the fields that end a job."""
    ended = {**end.changes, **final_shown(end, now=now), "script.is_open": False}
    return ended | {"script.is_alert_due": True} if end.state in ALERTING else ended


def _shown_on(collection: str, latest: Sequence[Document]) -> Mapping[str, Any]:
    """Return what a definition says of its latest jobs. Every value of status.jobs is a string (rest-api.md 1.12)."""
    if not latest:
        return {}
    fields: dict[str, Any] = {"status.jobs": [_summary(each) for each in latest]}
    if collection == "kubebackups":
        return fields
    state = "FAILED" if latest[0]["state"] == JobState.FAILED.value else "JOB_CREATED"
    return fields | {"status.state": state, "status.jobid": latest[0]["_id"], "status.message": latest[0]["message"]}


def _summary(job: Document) -> dict[str, str]:
    return {"jobid": str(job["_id"]), "state": str(job["state"]), "message": str(job["message"])}


def _progress_fields(job: Document, progress: Progress) -> dict[str, Any]:
    done = {"Completed", "Canceled", "Failed"}
    volumes = progress.volumes
    counts = {
        "total_pvs": len(volumes),
        "pending_pvs": sum(volume.phase in {"", "New", "Accepted", "Prepared", "Pending"} for volume in volumes),
        "active_pvs": sum(volume.phase == "InProgress" for volume in volumes),
        "completed_pvs": sum(volume.phase == "Completed" for volume in volumes),
        "failed_pvs": sum(volume.phase in done - {"Completed"} for volume in volumes),
    }
    fields: dict[str, Any] = {
        "num_total_resources": progress.items_total,
        "num_restored_resources" if job["type"] == JobType.RESTORE.value else "num_backup_resources": progress.items_done,
    }
    if job["type"] == JobType.K8S_SNAP.value:
        return fields
    stats = {"estimated_size": progress.bytes_total, "io_size": progress.bytes_done, "transferred_size": progress.bytes_done}
    return fields | {"kube_copy_progress": {"stats": stats, **counts}}
