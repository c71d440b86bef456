"""The script of a DELETE_BACKUP job: the data of a recovery point first, the document last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cloudcasa_contract.states import JobState

from ..command.model import CommandState, Order, StorageRef
from ..command.service import Outbox
from ..job.model import FIRST_STEP, Finish, Goto, Next, Script, Wait, step_key
from ..job.outcome import failure
from ..kit.rest import Change, Recorder
from ..kit.store import Document
from .counting import count_points
from .deletion import Deletions
from .model import COLLECTION


@dataclass(frozen=True, slots=True)
class DeleteScript:
    """Delete a recovery point's data by its cluster's agent, then the document."""

    deletions: Deletions
    outbox: Outbox
    recorder: Recorder

    def script(self) -> Script:
        """Return the steps."""
        return {FIRST_STEP: self.preflight, "send": self.send, "wait": self.wait, "forget": self.forget}

    async def preflight(self, job: Document, /) -> Next:
        """Go on, unless nobody is left who could delete the data."""
        if await self.deletions.jobs.store.collection("kubeclusters").get(job["cluster"]) is None:
            place = job["script"]["data"]["place"]
            message = f"The recovery point is forgotten. Its cluster was deleted, so nothing could delete its data: remove {place} by hand."
            await self._drop(job, message)
            return Finish(JobState.PARTIAL, message, reason="point_orphaned")
        return Goto("send", {"state": JobState.RUNNING.value}, "Deleting the backup and its data")

    async def send(self, job: Document, /) -> Next:
        """Ask the agent."""
        data = job["script"]["data"]
        promised = {"not_before": datetime.fromtimestamp(data["not_before"], UTC).isoformat()} if "not_before" in data else {}
        order = Order("backup.delete", {"backup_name": data["backup_name"]} | promised, StorageRef(data["objectstore"], job["cluster"]))
        await self.outbox.enqueue(order, cluster_id=job["cluster"], key=step_key(job, "send"), job_id=job["_id"])
        return Goto("wait")

    async def wait(self, job: Document, /) -> Next:
        """Look whether the agent is done; a point whose data could not be deleted stays DELETING and says why."""
        command = await self.outbox.find_by_key(step_key(job, "send"))
        if command is None or not CommandState(command["state"]).is_final:
            return Wait()
        if failed := failure(command):
            return replace(failed, message=await self.deletions.failed(job["backup_inst"], failed.message))
        return Goto("forget")

    async def forget(self, job: Document, /) -> Next:
        """Drop the document and count the cluster's points again."""
        await self._drop(job, "The recovery point and its data are deleted.")
        await count_points(self.deletions.points, job["cluster"])
        return Finish(JobState.COMPLETED, "Recovery point deleted")

    async def _drop(self, job: Document, message: str) -> None:
        """Delete the document, and record that the server did."""
        if await self.deletions.points.delete(job["backup_inst"]):
            await self.recorder.record(Change("delete", COLLECTION, job["backup_inst"], job["display_name"], message=message))
