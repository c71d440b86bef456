"""Cancelling a job: at once while it waits, else by a command that takes its run over on the agent (docs/adr/0037).

Whoever asks marks the job (`script.cancel`), which is compare-and-set on its state; the runner leaves the steps that wait for the agent and
goes through those here. They may each run again after a crash, and other servers may take them up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cloudcasa_contract.commands import RunCancelled
from cloudcasa_contract.states import JobState, JobType

from ..command.model import CommandState, Order, StorageRef
from ..command.recall import hold, recall, release, settle
from ..command.service import Outbox
from ..kit.errors import InvalidError, NotFoundError
from ..kit.store import And, Document, eq
from .model import FIRST_STEP, Finish, Goto, Next, Script, Step, Wait, step_key
from .outcome import failure
from .service import Jobs
from .volumes import rows_in_the_end

CANCEL = "cancel"
"""The step to which a runner goes that finds its job marked."""
INTERRUPTED = frozenset({"send", "wait"})
"""Steps that are left for it: what follows them has its result."""
_CANCELLABLE = frozenset({JobType.K8S_SNAP.value, JobType.K8S_COPY.value, JobType.RESTORE.value})
_RACES = 10


def is_to_be_cancelled(job: Document, script: Script, /) -> bool:
    """Tell whether the runner has to leave the job's step."""
    return bool(job["script"].get("cancel")) and job["script"]["step"] in INTERRUPTED and CANCEL in script


async def request_cancel(jobs: Jobs, job_id: str, /, *, who: str, keep: bool) -> Document:
    """Cancel a job that waits, mark one that runs. Once more does no harm. Raises InvalidError for one that cannot be cancelled."""
    for _ in range(_RACES):
        job = await jobs.get(job_id)
        if job is None:
            message = "The job was deleted."
            raise NotFoundError(message)
        if job["state"] in {JobState.CANCELLING.value, JobState.CANCELED.value}:
            return job
        _check(job)
        if (changed := await _cancel(jobs, job, who=who, keep=keep)) is not None:
            return changed
    message = "Cannot cancel the job: it changes too fast. Try again."
    raise InvalidError(message)


def _check(job: Document) -> None:
    why = ""
    if JobState(job["state"]).is_final:
        why = f"it has ended already, {job['state']}"
    elif job["type"] not in _CANCELLABLE:
        why = f"a job of type {job['type']} goes on to its end"
    elif job["state"] == JobState.CATALOG.value:
        why = "its work in the cluster has ended, and the server is about to record it. Delete its recovery point afterwards"
    if why:
        message = f'Cannot cancel job "{job["name"]}": {why}.'
        raise InvalidError(message, issues={"state": message})


async def _cancel(jobs: Jobs, job: Document, *, who: str, keep: bool) -> Document | None:
    """Cancel a job as it was seen; None when it has changed meanwhile."""
    seen = And((eq("script.is_open", True), eq("state", job["state"]), eq("script.step", job["script"]["step"])))
    if job["script"]["step"] == FIRST_STEP:
        return await jobs.end(job["_id"], _stopped(who, "Nothing had begun."), expected=seen)
    mark = {"by": who, "keep": keep, "number": (job["script"].get("cancels") or 0) + 1}
    changes = {"state": JobState.CANCELLING.value, "script.cancel": mark, "script.cancels": mark["number"]}
    return await jobs.change(job["_id"], changes, activity=f"Cancelling, asked for by {who}.", expected=seen)


def _stopped(who: str, *truths: str) -> Finish:
    return Finish(JobState.CANCELED, " ".join((f"Cancelled by {who}.", *truths)), reason="cancelled_by")


@dataclass(frozen=True, slots=True)
class Cancelling:
    """The steps of a job that is cancelled. `send_step` has the key of the run's command; `after` goes on with a run that had ended."""

    jobs: Jobs
    outbox: Outbox
    after: Goto
    send_step: str = "send"

    def steps(self) -> dict[str, Step]:
        """Return them."""
        return {CANCEL: self.cancel, "cancelling": self.cancelling}

    async def cancel(self, job: Document, /) -> Next:
        """Take the command back, or have the agent stop what it does."""
        key, who = step_key(job, self.send_step), job["script"]["cancel"]["by"]
        if await recall(self.outbox, key=key, cluster_id=job["cluster"], job_id=job["_id"]):
            return _stopped(who, "Nothing had been started in the cluster.")
        command = await self.outbox.find_by_key(key)
        if command is None or CommandState(command["state"]).is_final or await hold(self.outbox, command["_id"]) is None:
            return await self._go_on(job, "The run had ended before it could be cancelled.")
        mark = job["script"]["cancel"]
        payload = {"run_id": command["_id"], "run": {**command["payload"], "kind": command["kind"]}, "keep": mark["keep"]}
        order = Order("run.cancel", payload, StorageRef.of(command["storage"]))
        await self.outbox.enqueue(order, cluster_id=job["cluster"], key=_cancel_key(job), job_id=job["_id"])
        return Goto("cancelling", activity=await self._about_the_agent(job))

    async def cancelling(self, job: Document, /) -> Next:
        """Look what became of the run."""
        command, run = await self.outbox.find_by_key(_cancel_key(job)), await self.outbox.find_by_key(step_key(job, self.send_step))
        if command is None or run is None or not CommandState(command["state"]).is_final:
            return Wait()
        if (failed := failure(command)) or command["result"]["output"] is None:
            await release(self.outbox, run)
            why = failed.message if failed else "The agent answered without saying what became of it."
            changes = {"state": JobState.RUNNING.value, "script.cancel": None}
            return Goto("wait", changes, f"It could not be cancelled and goes on. {why}")
        output = RunCancelled.model_validate(command["result"]["output"])
        end = command["result"]["output"]["run"] if not output.is_stopped else None
        await settle(self.outbox, run["_id"], output=end)
        if not output.is_stopped:
            return await self._go_on(job, "The run had ended before it could be cancelled.")
        if output.run is not None:
            await self.jobs.volumes.record(job, rows_in_the_end(job, output.run.artifacts.volumes))
        return _stopped(job["script"]["cancel"]["by"], *how_far(job, output))

    async def _go_on(self, job: Document, activity: str) -> Next:
        """Let the job end as its run did."""
        command = await self.outbox.find_by_key(step_key(job, self.send_step))
        if command is not None and (failed := failure(command)):
            return failed
        return replace(self.after, activity=activity)

    async def _about_the_agent(self, job: Document) -> str:
        cluster = await self.jobs.store.collection("kubeclusters").get(job["cluster"]) or {}
        state = (cluster.get("status") or {}).get("state", "ACTIVE")
        return "" if state == "ACTIVE" else f"The cluster is {state}: the work there may go on until its agent is back and stops it."


def _cancel_key(job: Document) -> str:
    return step_key(job, f"cancel-{job['script']['cancel']['number']}")


def how_far(job: Document, output: RunCancelled, /) -> list[str]:
    """Return the truth about a run that was stopped, as sentences: how far it was, and what is left of it."""
    truths = [] if output.run is None else [_volumes_text(job, output)]
    if output.run is None:
        truths.append("Nothing of it was found in the cluster.")
    elif job["type"] != JobType.RESTORE.value:
        truths.append("" if output.left else "Nothing of it is kept.")
    elif output.removed:
        truths.append(f"{output.removed} objects that it had made were taken away again.")
    return [text for text in (*truths, *output.left) if text]


def _volumes_text(job: Document, output: RunCancelled) -> str:
    volumes = output.run.artifacts.volumes if output.run else ()
    done = sum(volume.succeeded for volume in volumes)
    verb = "restored" if job["type"] == JobType.RESTORE.value else "copied"
    return f"{done} of {len(volumes)} volumes had been {verb}." if volumes else ""
