"""The runner: claims due jobs under a lease and goes through their steps, recording each before the next begins.

Several runners may share a database: a claim gives a job to one of them, a write by one that lost its lease changes nothing, and the job
of a runner that died is due again when its lease is over. worker/ keeps it running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_hex

import structlog
from cloudcasa_contract.states import JobState

from ..kit.bus import Bus
from ..kit.errors import AppError
from ..kit.observe import span
from ..kit.store import And, Compare, Document, StoreError, Update, eq
from .cancel import CANCEL, is_to_be_cancelled
from .metrics import JobMetrics
from .model import COLLECTION, Finish, Goto, Next, Script, Wait
from .reasons import of_problem
from .service import TOPIC, Jobs, final_fields

log = structlog.get_logger(__name__)

IDLE_SECONDS = 1.0
PARALLEL = 8
_RETRY_SECONDS = 5.0


@dataclass
class Runner:
    """Run jobs until cancelled."""

    jobs: Jobs
    bus: Bus
    scripts: Mapping[str, Script]
    job_timeout_seconds: float
    name: str = "runner"
    metrics: JobMetrics | None = None
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL))

    async def run(self) -> None:
        """Claim and run jobs; never returns."""
        async with self.bus.subscribe(TOPIC) as signal, asyncio.TaskGroup() as tasks:
            while True:
                await self._slots.acquire()
                job = None
                try:
                    job = await self._claim_safely()
                finally:
                    if job is None:
                        self._slots.release()
                if job is not None:
                    tasks.create_task(self._run_one(job))
                else:
                    await signal.receive(timeout_seconds=IDLE_SECONDS)

    async def _claim_safely(self) -> Document | None:
        try:
            return await self.claim()
        except StoreError as error:
            log.warning("Claiming a job failed, trying again", reason=str(error))
            await asyncio.sleep(IDLE_SECONDS)
            return None

    async def claim(self) -> Document | None:
        """Take the job that has been due longest, or None."""
        now = self.jobs.now()
        due = And(
            (
                eq("script.is_open", True),
                Compare("script.due_at", "lte", now),
                Compare("script.lease.until", "lte", now),
            )
        )
        lease = {"owner": f"{self.name}-{token_hex(4)}", "until": now + self.jobs.lease_seconds}
        change = Update(set={"script.lease": lease, "jobrunner": self.name})
        return await self.jobs.store.collection(COLLECTION).claim(due, change, sort=(("script.due_at", 1),))

    async def _run_one(self, job: Document) -> None:
        try:
            await self.advance(job)
        except StoreError as error:
            log.warning("A job lost its database and will be taken up again", job=job["_id"], reason=str(error))
        except Exception:  # a bug in one job must not end the others, which run beside it
            log.exception("A job could not go on and will be taken up again", job=job["_id"])
        finally:
            self._slots.release()

    async def advance(self, job: Document, /) -> None:
        """Go through the steps of a claimed job until it waits, ends or is lost to another runner."""
        owner = job["script"]["lease"]["owner"]
        current: Document | None = job
        while current is not None:
            following = await self._step(current)
            current = await self._apply(current, following, owner=owner)

    async def _step(self, job: Document) -> Next:
        name = job["script"]["step"]
        if not job["script"].get("waits") and self.jobs.now() - job["script"].get("began_at", job["start_time"]) > self.job_timeout_seconds:
            hours = self.job_timeout_seconds / 3600
            message = f"The job did not end within {hours:g} hours and is given up. What Velero still does is left alone."
            return Finish(JobState.FAILED, message, reason="job_timeout")
        script = self.scripts.get(job["type"], {})
        if is_to_be_cancelled(job, script):
            return Goto(CANCEL, {"state": JobState.CANCELLING.value})
        step = script.get(name)
        if step is None:
            message = f'This server does not know the step "{name}" of a {job["type"]} job. Was it started by a newer server?'
            return Finish(JobState.FAILED, message, reason="server_too_old")
        try:
            with span(
                f"{job['type']} {name}", {"cloudcasa.job.id": job["_id"], "cloudcasa.job.type": job["type"], "cloudcasa.job.step": name}
            ):
                return await step(job)
        except AppError as error:
            return Finish(JobState.FAILED, error.text, reason=of_problem(error.slug))
        except StoreError:
            raise
        except Exception:
            log.exception("A step of a job failed", job=job["_id"], step=name)
            message = f'The server failed in the step "{name}". Its log says why; this is a bug.'
            return Finish(JobState.FAILED, message, reason="server_fault")

    async def _apply(self, job: Document, following: Next, *, owner: str) -> Document | None:
        match following:
            case Goto(step=step, changes=changes, activity=activity):
                return await self.jobs.record(job, {**changes, "script.step": step}, activity=activity, owner=owner)
            case Finish():
                ended = await self.jobs.record(job, final_fields(following, now=self.jobs.now()), activity=following.message, owner=owner)
                if ended is not None:
                    if self.metrics:
                        self.metrics.ended(ended)
                    log.info("Job ended", job=job["_id"], type=job["type"], state=following.state.value, reason=following.reason)
                return None
            case Wait():
                return await self._park(job, following, owner=owner)

    async def _park(self, job: Document, wait: Wait, *, owner: str) -> Document | None:
        """Let go of a waiting job; if it was woken meanwhile, return it to look again."""
        jobs = self.jobs.store.collection(COLLECTION)
        if wait.changes and await self.jobs.record(job, wait.changes, activity=wait.activity, owner=owner) is None:
            return None
        change = Update(set={"script.due_at": self.jobs.now() + wait.seconds, "script.lease": {"owner": "", "until": 0.0}})
        unchanged = And((eq("script.lease.owner", owner), eq("script.wakes", job["script"]["wakes"])))
        if await jobs.update(job["_id"], change, expected=unchanged) is not None:
            return None
        return await jobs.update(
            job["_id"],
            Update(set={"script.lease.until": self.jobs.now() + self.jobs.lease_seconds}),
            expected=eq("script.lease.owner", owner),
        )
