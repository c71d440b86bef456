"""The script of a RESTORE job."""

from __future__ import annotations

from dataclasses import dataclass

from cloudcasa_contract.commands import RestoreOutput
from cloudcasa_contract.states import JobState, RecoveryPointState

from ..backup.admission import skip_reason
from ..backup.model import object_name
from ..command.model import CommandState, Order, StorageRef
from ..command.service import Outbox
from ..hook.outcome import hook_note, hook_troubles, hooks_shown
from ..hook.running import restore_commands
from ..job.cancel import Cancelling
from ..job.model import FIRST_STEP, Finish, Goto, Next, Script, Wait, step_key
from ..job.outcome import failure
from ..job.service import Jobs
from ..job.verdict import judge
from ..job.volumes import rows_in_the_end
from ..kit.rest import Documents
from ..kit.store import Document
from .payload import command_kind, restore_payload


@dataclass(frozen=True, slots=True)
class RestoreScript:
    """Restore, and check what came of it."""

    jobs: Jobs
    outbox: Outbox
    points: Documents

    def script(self) -> Script:
        """Return the steps."""
        cancelling = Cancelling(self.jobs, self.outbox, after=Goto("judge", {"state": JobState.RUNNING.value}))
        return {FIRST_STEP: self.preflight, "send": self.send, "wait": self.wait, "judge": self.judge, **cancelling.steps()}

    async def preflight(self, job: Document, /) -> Next:
        """Skip a restore that cannot start."""
        cluster = await self.jobs.store.collection("kubeclusters").get(job["cluster"])
        if cluster is None:
            return Finish(JobState.FAILED, f'The cluster "{job["cluster_name"]}" was deleted.', reason="cluster_deleted")
        if skip := skip_reason(cluster):
            return Finish(JobState.SKIPPED, skip, reason="skipped_not_active")
        point = await self.points.find(job["backup_inst"])
        if point is None or point["state"] != RecoveryPointState.READY.value:
            return Finish(JobState.FAILED, "The recovery point was deleted before the restore began.", reason="point_gone")
        payload = restore_payload(job["script"]["data"]["restore"], point=point, restore_name=object_name(job))
        payload["hooks"] = await restore_commands(self.jobs.store, job["script"]["data"]["restore"], names=payload["namespace_map"])
        settled = {
            "state": JobState.RUNNING.value,
            "script.data.payload": payload,
            "script.data.objectstore": point["objectstore"],
            "script.data.source_cluster": point["cluster"],
        }
        return Goto("send", settled, f'Starting restore from "{point["name"]}"')

    async def send(self, job: Document, /) -> Next:
        """Ask the agent."""
        data = job["script"]["data"]
        is_borrowed = data["source_cluster"] != job["cluster"]
        storage = StorageRef(data["objectstore"], data["source_cluster"], is_read_only=is_borrowed)
        order = Order(command_kind(data["payload"], is_borrowed=is_borrowed), data["payload"], storage)
        await self.outbox.enqueue(order, cluster_id=job["cluster"], key=step_key(job, "send"), job_id=job["_id"])
        return Goto("wait")

    async def wait(self, job: Document, /) -> Next:
        """Look whether the agent is done."""
        command = await self.outbox.find_by_key(step_key(job, "send"))
        if command is None or not CommandState(command["state"]).is_final:
            return Wait()
        return failure(command) or Goto("judge")

    async def judge(self, job: Document, /) -> Next:
        """Say how the restore ended."""
        command = await self.outbox.find_by_key(step_key(job, "send"))
        raw = command["result"]["output"] if command else None
        if raw is None:
            return Finish(JobState.FAILED, "The agent answered without saying what became of the restore.", reason="no_verdict")
        output = RestoreOutput.model_validate(raw)
        await self.jobs.volumes.record(job, rows_in_the_end(job, output.artifacts.volumes))
        payload = job["script"]["data"]["payload"]
        troubles = hook_troubles(output.hooks, is_ordered=bool(payload.get("hooks")))
        verdict = judge(output, needs_volumes=bool(payload["restore_volumes"]), troubles=troubles, note=hook_note(output.hooks))
        counts = {
            "num_total_resources": output.total_items,
            "num_restored_resources": output.items_restored,
            "num_errors": max(output.errors, len(output.artifacts.errors)),
            "num_warnings": max(output.warnings, len(output.artifacts.warnings)),
            **hooks_shown(output.hooks),
        }
        return Finish(verdict.state, verdict.message, counts, reason=verdict.reason)
