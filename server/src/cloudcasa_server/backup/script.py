"""The scripts of K8S_SNAP and K8S_COPY: one Velero backup each, catalogued as one recovery point when it ended well enough."""

from __future__ import annotations

from dataclasses import dataclass

from cloudcasa_contract.commands import BackupOutput
from cloudcasa_contract.states import JobState, JobType

from ..command.model import CommandState, Order, StorageRef
from ..command.service import Outbox
from ..hook.outcome import hook_note, hook_troubles, hooks_shown
from ..hook.running import backup_commands
from ..inventory.service import Inventories
from ..job.cancel import Cancelling
from ..job.model import FIRST_STEP, Finish, Goto, Next, Script, Wait, step_key
from ..job.outcome import failure
from ..job.service import Jobs
from ..job.verdict import Verdict, judge
from ..job.volumes import rows_in_the_end, snapshot_counts
from ..kit.rest import Documents
from ..kit.store import Document, eq
from ..object_store.model import join_prefix
from ..object_store.service import ObjectStores
from ..recovery_point.counting import count_points
from ..recovery_point.model import Place, build_point, resource_counts
from ..recovery_point.record import record_of
from .admission import Admission, overlapping, unwanted
from .model import COLLECTION, backup_payload, object_name, takes_claim

_TO_CATALOG = Goto("catalog", {"state": JobState.CATALOG.value}, "Saving catalog")


@dataclass(frozen=True, slots=True)
class BackupScript:
    """Back up, check what came of it, and record the recovery point."""

    jobs: Jobs
    outbox: Outbox
    stores: ObjectStores
    points: Documents
    inventories: Inventories
    admission: Admission

    def script(self) -> Script:
        """Return the steps."""
        cancelling = Cancelling(self.jobs, self.outbox, after=_TO_CATALOG)
        return {FIRST_STEP: self.preflight, "send": self.send, "wait": self.wait, "catalog": self.catalog, **cancelling.steps()}

    async def preflight(self, job: Document, /) -> Next:
        """Skip a run that cannot or must not start, hold back one that must not yet; settle the names and the store."""
        cluster = await self.jobs.store.collection("kubeclusters").get(job["cluster"])
        if cluster is None:
            return Finish(JobState.FAILED, f'The cluster "{job["cluster_name"]}" was deleted.', reason="cluster_deleted")
        if job["script"].get("waits") and (end := unwanted(job, await self.jobs.store.collection(COLLECTION).get(job["backupdef"]))):
            return end
        if await self.jobs.is_overlapping(job):
            return overlapping(job)
        if not_now := self.admission.by_cluster(job, cluster):
            return not_now
        store = await self.stores.choose(job["script"]["data"].get("offload_provider"), cluster.get("backup_provider"))
        if not_now := self.admission.by_window(job, store, owner=f'the object store "{store["name"]}"', key=store["_id"]):
            return not_now
        if not_now := await self.admission.by_slots(job, cluster=cluster, store=store):
            return not_now
        hooks = await backup_commands(self.jobs.store, job["script"]["data"])
        settled = {
            **self.admission.begun(cluster, store),
            "state": JobState.RUNNING.value,
            "script.data.backup_name": object_name(job),
            "script.data.objectstore": store["_id"],
            "script.data.hooks": hooks,
        }
        if job["type"] == JobType.K8S_COPY.value:
            settled["phase"] = "OFFLOAD_RUNNING"
        return Goto("send", settled, f'Starting backup to "{store["name"]}"')

    async def send(self, job: Document, /) -> Next:
        """Ask the agent."""
        payload = backup_payload(job, move_data=job["type"] == JobType.K8S_COPY.value) | {"record": record_of(job)}
        order = Order("backup.run", payload, StorageRef(job["script"]["data"]["objectstore"], job["cluster"]))
        await self.outbox.enqueue(order, cluster_id=job["cluster"], key=step_key(job, "send"), job_id=job["_id"])
        return Goto("wait")

    async def wait(self, job: Document, /) -> Next:
        """Look whether the agent is done."""
        command = await self.outbox.find_by_key(step_key(job, "send"))
        if command is None or not CommandState(command["state"]).is_final:
            return Wait()
        return failure(command) or _TO_CATALOG

    async def catalog(self, job: Document, /) -> Next:
        """Judge the backup and record its recovery point."""
        command = await self.outbox.find_by_key(step_key(job, "send"))
        raw = command["result"]["output"] if command else None
        if raw is None:
            return Finish(JobState.FAILED, "The agent answered without saying what became of the backup.", reason="no_verdict")
        output = BackupOutput.model_validate(raw)
        is_copy = job["type"] == JobType.K8S_COPY.value
        wants_volumes = job["script"]["data"]["source"].get("snapshotPersistentVolumes") is not False
        forgotten = await self._forgotten(job, output) if wants_volumes else []
        troubles = hook_troubles(output.hooks, is_ordered=bool(job["script"]["data"].get("hooks")))
        verdict = judge(
            output, needs_data=is_copy, needs_volumes=wants_volumes, forgotten=forgotten, troubles=troubles, note=hook_note(output.hooks)
        )
        changes: dict[str, object] = dict(resource_counts(output)) | hooks_shown(output.hooks)
        await self.jobs.volumes.record(job, rows_in_the_end(job, output.artifacts.volumes))
        if not is_copy:
            changes["kube_snapshot_progress"] = snapshot_counts(output.artifacts.volumes)
        if verdict.is_usable:
            changes["offload_backup_inst" if is_copy else "backup_inst"] = await self._point_id(job, output, verdict=verdict)
            await count_points(self.points, job["cluster"])
            await self.stores.note_proof(job["script"]["data"]["objectstore"])
        if is_copy and verdict.is_usable:
            changes["phase"] = "OFFLOAD_PARTIAL" if verdict.state is JobState.PARTIAL else "OFFLOAD_COMPLETED"
        return Finish(verdict.state, verdict.message, changes, reason=verdict.reason)

    async def _forgotten(self, job: Document, output: BackupOutput) -> list[str]:
        """Return the claims that were selected and that Velero does not mention; asked again, since an inventory may be old."""
        if output.artifacts.missing:
            return []
        known = await self.inventories.bound_claims(job["cluster"], since=int(job["script"].get("began_at", job["start_time"])))
        mentioned = {(volume.namespace, volume.pvc) for volume in output.artifacts.volumes}
        silent = [claim for claim in known if claim not in mentioned and takes_claim(job["script"]["data"]["source"], claim.namespace)]
        cluster = await self.jobs.store.collection("kubeclusters").get(job["cluster"])
        there = await self.inventories.still_bound(cluster, silent) if silent and cluster else silent
        return sorted(f"{claim.namespace}/{claim.name}" for claim in there)

    async def _point_id(self, job: Document, output: BackupOutput, *, verdict: Verdict) -> str:
        existing = await self.points.collection.find(eq("backup_job_id", job["_id"]), limit=1)
        if existing:
            return str(existing[0]["_id"])
        store = await self.stores.documents.get(job["script"]["data"]["objectstore"])
        place = Place(
            objectstore=store,
            prefix=join_prefix(store.get("prefix"), job["cluster"]),
            endpoint=(store.get("s3provider") or {}).get("endpoint") or "",
        )
        is_complete = verdict.state is JobState.COMPLETED
        fields = build_point(job, output, place=place, message=verdict.message, now=self.jobs.now(), is_complete=is_complete)
        point = self.points.new(fields)
        await self.points.insert(point)
        return str(point["_id"])
