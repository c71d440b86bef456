"""Runs by schedule: looks at definitions whose time has come, writes down what follows, does it, and writes down that it is done.

What is decided is pure (policy/plan.py). The decision is stored by compare-and-set before it is done, and the job of a run has an id made of the
definition and the instant: a server that dies is taken over from, and two that think they lead make one run (docs/adr/0028).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import structlog
from cloudcasa_contract.states import JobState

from ..job.reasons import of_problem
from ..job.service import Jobs
from ..kit.errors import AppError
from ..kit.lease import Lease
from ..kit.store import And, Compare, Document, Or, StoreError, Update, eq
from ..policy.plan import FIELD, Bounds, decide, done, rewound
from ..policy.service import DEFINITIONS, Schedules, Target
from ..policy.timetable import promise_of
from .service import Schedule, as_it_is_now, open_run, open_skipped

log = structlog.get_logger(__name__)

BATCH = 100
_TURNS = 4
"""Writes for one definition in one look: decide, done, and once more for what came due meanwhile."""
_BACK_SECONDS = 5.0
"""A clock that is set back by less than this is not looked at: what is decided stays so, and nothing of it comes again."""
_AGAIN_SECONDS = 60.0
_UNREADABLE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Fire what is due."""

    schedules: Schedules
    jobs: Jobs
    lease: Lease
    bounds: Bounds

    async def look(self) -> None:
        """Fire everything that is due now, if this replica leads."""
        held = await self.lease.hold()
        if held is not None and held.seconds_back > _BACK_SECONDS:
            await self._rewind(held.seconds_back)
            await self.lease.believe_clock()
        while held is not None:
            due = Compare(f"{FIELD}.due_at", "lte", self.jobs.now())
            found = await self.jobs.store.collection(DEFINITIONS).find(due, sort=((f"{FIELD}.due_at", 1),), limit=BATCH)
            targets = await self.schedules.targets(found)
            for backup in found:
                await self._look_at(backup, targets[backup["_id"]])
            held = await self.lease.hold() if len(found) == BATCH else None

    async def _rewind(self, seconds: float) -> None:
        """Expect again what was decided by a clock that was ahead. What it ran has its job, and is not run again."""
        now = self.jobs.now()
        log.warning("The clock was set back; schedules are worked out again from now on", seconds=round(seconds))
        ahead = Or((Compare(f"{FIELD}.after", "gt", now), Compare(f"{FIELD}.changed_at", "gt", now)))
        change = Update(set=rewound(now, seen=now + seconds), unset=(f"{FIELD}.changed_at",))
        await self.jobs.store.collection(DEFINITIONS).update_many(ahead, change)

    async def _look_at(self, backup: Document, target: Target) -> None:
        if target.problem:
            log.error("A backup does not run by itself until its policy is stored anew", backup=backup["_id"], reason=target.problem)
            await self._look_later(backup, seconds=_UNREADABLE_SECONDS)
            return
        try:
            await self._advance(backup, target)
        except StoreError:
            raise
        except Exception:  # a bug with one definition must not keep the others from running
            log.exception("A schedule could not be worked out and will be tried again", backup=backup["_id"])
            await self._look_later(backup, seconds=_AGAIN_SECONDS)

    async def _look_later(self, backup: Document, *, seconds: float) -> None:
        later = Update(set={f"{FIELD}.due_at": self.jobs.now() + seconds})
        await self.jobs.store.collection(DEFINITIONS).update(backup["_id"], later, expected=eq(FIELD, backup[FIELD]))

    async def _advance(self, backup: Document, target: Target) -> None:
        """Do what was decided, and decide what is due, until nothing is."""
        for _ in range(_TURNS):
            record = backup[FIELD]
            for fired in record.get("fire", ()):
                if not await self._fire(backup, target, fired):
                    return
            if "fire" in record:
                after = done(record, target.table, seed=backup["_id"])
            elif record.get("due_at", self.jobs.now() + 1) <= self.jobs.now():
                after = decide(record, target.table, now=self.jobs.now(), seed=backup["_id"], bounds=self.bounds)
            else:
                return
            stored = await self._store(backup, after, target)
            if stored is None:
                return
            backup = stored

    async def _store(self, backup: Document, record: Document, target: Target) -> Document | None:
        """Write the record if nobody changed it; one that is not written is looked at again."""
        at = self._shown(backup, record, target)
        shown: dict[str, Any] = {} if at is None else {"status.next_run_time": at}
        change = Update(set={FIELD: record, **shown}, unset=() if shown else ("status.next_run_time",))
        unchanged = And((eq(FIELD, backup[FIELD]), eq("_etag", backup.get("_etag"))))
        return await self.jobs.store.collection(DEFINITIONS).update(backup["_id"], change, expected=unchanged)

    def _shown(self, backup: Document, record: Document, target: Target) -> int | None:
        expected = record.get("expected")
        if expected is None or target.table is None:
            return None
        return int(expected["at"] + target.table.delay(expected["at"], seed=backup["_id"]))

    async def _fire(self, backup: Document, target: Target, fired: Document) -> bool:
        """Open the job of a run; of one that has its job already, nothing. Tell whether that is done, or to be tried again soon."""
        job_id = run_id(backup["_id"], fired["at"], is_missed="skip" in fired)
        if await self.jobs.get(job_id) is not None or target.table is None:
            return True
        cluster = await self.jobs.store.collection("kubeclusters").get(backup["cluster"])
        schedule = Schedule(job_id, fired["at"], target.table.policy_id, promise_of(fired["retention"]), note=note(fired))
        if fired.get("skip"):
            text = f"The run that was due at {utc(fired['at'])} was missed. {fired['skip']}"
            await open_skipped(
                self.jobs, backup, cluster=cluster, offload=target.offload, schedule=schedule, text=text, reason="missed_run"
            )
            return True
        try:
            if waiting := await self._waiting(backup, schedule):
                return await self._take_along(waiting, schedule, as_it_is_now(backup, offload=target.offload))
            await open_run(self.jobs, backup, cluster=cluster, offload=target.offload, schedule=schedule)
        except AppError as error:
            reason = of_problem(error.slug)
            await open_skipped(
                self.jobs, backup, cluster=cluster, offload=target.offload, schedule=schedule, text=error.text, reason=reason
            )
        return True

    async def _waiting(self, backup: Document, schedule: Schedule) -> Document | None:
        """Return a run that was due before and has not begun."""
        before = And((_IS_WAITING, eq("backupdef", backup["_id"]), Compare("scheduled_time", "lte", schedule.at)))
        found = await self.jobs.store.collection("jobs").find(before, limit=1)
        return found[0] if found else None

    async def _take_along(self, job: Document, schedule: Schedule, changes: Update) -> bool:
        """Let a run that waits stand for this one too, by doing what the definition says now. False when a runner just looks at it."""
        if job["scheduled_time"] == schedule.at or job["script"].get("also_at", 0) >= schedule.at:
            return True
        retention = promise_of(job["retention"]).joined(schedule.promise).document()
        fields = {**changes.set, "retention": retention, "script.also_at": schedule.at}
        text = f"It also stands for the run that was due at {utc(schedule.at)}."
        is_at_rest = And((_IS_WAITING, eq("script.lease.owner", ""), eq("retention", job["retention"])))
        change = Update(set=fields, unset=changes.unset, push={"activity": text})
        return await self.jobs.store.collection("jobs").update(job["_id"], change, expected=is_at_rest) is not None


_IS_WAITING = And((eq("script.is_open", True), eq("state", JobState.PENDING.value)))


def run_id(backup_id: str, at: int, /, *, is_missed: bool = False) -> str:
    """Return the id of the job of a run by schedule: the same whoever opens it, and however often.

    A report of a missed run has another one: it may come from a clock that was ahead, and the run must still be possible.
    """
    return sha256(f"{backup_id}:{at}{':missed' if is_missed else ''}".encode()).hexdigest()[:24]


def note(fired: Document, /) -> str:
    """Return what is to be said about a run that did not start when it was due."""
    if "late_seconds" not in fired and "since" not in fired:
        return ""
    due = f"Due at {utc(fired['at'])}" + (f", started {fired['late_seconds']} seconds late" if "late_seconds" in fired else "")
    also = f" It stands for all runs that were due since {utc(fired['since'])} and were missed." if "since" in fired else ""
    return f"{due}.{also}"


def utc(at: float, /) -> str:
    """Return a time for people."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
