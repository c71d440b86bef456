"""The declaration of `backupinstances` and the script that deletes one: the data first, the document last."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cloudcasa_contract.states import JobState, JobType, RecoveryPointState

from ..command.model import CommandState, Order, StorageRef
from ..command.service import Outbox
from ..identity.belonging import CLUSTERS, NAMESPACES, in_namespaces
from ..job.model import FIRST_STEP, Finish, Goto, JobRequest, Next, Script, Wait, step_key
from ..job.outcome import failure
from ..job.service import Jobs
from ..kit.errors import InvalidError
from ..kit.rest import Change, Docs, Documents, Hooks, Recorder, RequestContext, Resource, within
from ..kit.rest.resource import READ_METHODS
from ..kit.store import And, Document, Update, eq
from .model import COLLECTION, INDEXES, is_locked
from .shown import EXAMPLE, RecoveryPointShown


class RecoveryPointHooks(Hooks):
    """Deleting takes a job."""

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Refuse while locked, or while a restore reads it."""
        if is_locked(document, now=context.clock.timestamp()):
            message = f'Cannot delete the recovery point "{document["name"]}": it is locked until it expires.'
            raise InvalidError(message, issues={"_id": message})
        reading = And((eq("backup_inst", document["_id"]), eq("type", JobType.RESTORE.value), eq("script.is_open", True)))
        if await context.store.collection("jobs").count(reading):
            message = f'Cannot delete the recovery point "{document["name"]}": a restore from it is running. Wait for its end.'
            raise InvalidError(message, issues={"_id": message})

    async def delete(self, context: RequestContext, document: Document, /) -> bool:
        """Mark the point DELETING and open the job that deletes its data."""
        await context.documents(COLLECTION).set(document["_id"], {"state": RecoveryPointState.DELETING.value, "message": ""})
        running = And((eq("backup_inst", document["_id"]), eq("type", JobType.DELETE_BACKUP.value), eq("script.is_open", True)))
        if not await context.store.collection("jobs").count(running):
            await context.service(Jobs).open(_request(document))
        return True


def _request(point: Document) -> JobRequest:
    return JobRequest(
        type=JobType.DELETE_BACKUP,
        display_name=point["name"],
        cluster_id=point["cluster"],
        cluster_name=point["cluster_name"],
        fields={"backup_inst": point["_id"]},
        namespaces=() if point["backup_selection"].get("all_namespaces") else point["backup_selection"].get("namespaces") or (),
        data={
            "backup_name": point["velero"]["backup_name"],
            "objectstore": point["objectstore"],
            "place": f"{point['backup_location']['bucket_name']}/{point['backup_location']['prefix']}",
        },
    )


RECOVERY_POINTS = Resource(
    name=COLLECTION,
    title="Backupinstance",
    noun="recovery point",
    hidden=frozenset({"velero"}),
    references={
        "cluster": "kubeclusters",
        "backupdef": "kubebackups",
        "offload_def": "kubeoffloads",
        "objectstore": "objectstores",
        "source_backupinst": COLLECTION,
    },
    unique=(),
    indexes=INDEXES,
    methods=READ_METHODS | {"delete"},
    belongs={
        CLUSTERS: within("cluster"),
        NAMESPACES: in_namespaces(cluster="cluster", namespaces="backup_selection.namespaces", is_whole="backup_selection.all_namespaces"),
    },
    hooks=RecoveryPointHooks(),
    docs=Docs(shown=RecoveryPointShown, example=EXAMPLE),
)


@dataclass(frozen=True, slots=True)
class DeleteScript:
    """Delete a recovery point's data by its cluster's agent, then the document."""

    points: Documents
    jobs: Jobs
    outbox: Outbox
    recorder: Recorder

    def script(self) -> Script:
        """Return the steps."""
        return {FIRST_STEP: self.preflight, "send": self.send, "wait": self.wait, "forget": self.forget}

    async def preflight(self, job: Document, /) -> Next:
        """Go on, unless nobody is left who could delete the data."""
        if await self.jobs.store.collection("kubeclusters").get(job["cluster"]) is None:
            place = job["script"]["data"]["place"]
            message = f"The recovery point is forgotten. Its cluster was deleted, so nothing could delete its data: remove {place} by hand."
            await self._drop(job, message)
            return Finish(JobState.PARTIAL, message, reason="point_orphaned")
        return Goto("send", {"state": JobState.RUNNING.value}, "Deleting the backup and its data")

    async def send(self, job: Document, /) -> Next:
        """Ask the agent."""
        data = job["script"]["data"]
        order = Order("backup.delete", {"backup_name": data["backup_name"]}, StorageRef(data["objectstore"], job["cluster"]))
        await self.outbox.enqueue(order, cluster_id=job["cluster"], key=step_key(job, "send"), job_id=job["_id"])
        return Goto("wait")

    async def wait(self, job: Document, /) -> Next:
        """Look whether the agent is done; a point whose data could not be deleted stays DELETING and says why."""
        command = await self.outbox.find_by_key(step_key(job, "send"))
        if command is None or not CommandState(command["state"]).is_final:
            return Wait()
        if failed := failure(command):
            message = f"Could not delete the data: {failed.message} Delete the recovery point again to try once more."
            await self.points.collection.update(job["backup_inst"], Update(set={"message": message}))
            return replace(failed, message=message)
        return Goto("forget")

    async def forget(self, job: Document, /) -> Next:
        """Drop the document and count the cluster's points again."""
        await self._drop(job, "The recovery point and its data are deleted.")
        await count_points(self.points, job["cluster"])
        return Finish(JobState.COMPLETED, "Recovery point deleted")

    async def _drop(self, job: Document, message: str) -> None:
        """Delete the document, and record that the server did."""
        if await self.points.delete(job["backup_inst"]):
            await self.recorder.record(Change("delete", COLLECTION, job["backup_inst"], job["display_name"], message=message))


async def count_points(points: Documents, cluster_id: str, /) -> None:
    """Show on a cluster how many recovery points can be restored from."""
    ready = And((eq("cluster", cluster_id), eq("state", RecoveryPointState.READY.value)))
    told = None
    while (count := await points.collection.count(ready)) != told:  # of two who tell at once, the later may have counted earlier
        told = count
        await points.store.collection("kubeclusters").update(cluster_id, Update(set={"status.num_recovery_points": count}))
