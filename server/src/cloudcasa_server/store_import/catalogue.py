"""Writing what an import found: clusters under their old ids, recovery points under the ids that follow from their backups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloudcasa_contract.states import RecoveryPointState

from ..cluster.resource import Installation, registered
from ..kit.errors import InvalidError
from ..kit.rest import Change, Documents, Recorder
from ..kit.store import Document, In, Or, eq
from ..object_store.model import join_prefix
from ..recovery_point.counting import count_points
from ..recovery_point.model import Place, build_point, point_id
from .found import Found, Worth, job_in

DAY_SECONDS = 86_400
_CLUSTERS = "kubeclusters"
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The recovery points and clusters of this server."""

    points: Documents
    clusters: Documents
    stores: Documents
    installation: Installation
    recorder: Recorder

    async def cluster_name(self, cluster_id: str, /) -> str | None:
        """Return the name of a cluster, None when it is not known."""
        cluster = await self.clusters.find(cluster_id)
        return str(cluster["name"]) if cluster else None

    async def known(self, cluster_id: str, names: Sequence[str], /) -> set[str]:
        """Return the backups that have a recovery point here, but for those that an import made as PENDING: they are looked at again."""
        ids = {point_id(cluster_id, name): name for name in names}
        jobs = {job: name for name in names if (job := job_in(name))}
        query = Or((In("_id", tuple(ids)), In("backup_job_id", tuple(jobs))))
        found = await self.points.collection.find(query) if names else []
        backups = {str(point["velero"]["backup_name"]) for point in found if point["state"] != RecoveryPointState.PENDING.value}
        return backups & set(names)

    async def ensure_cluster(self, cluster_id: str, name: str, /, *, job: Document) -> str:
        """Make the cluster under its old id, unless it is there, and return its name: another one where the name is taken."""
        for candidate in (name, f"{name[:_MAX_NAME]} ({cluster_id[-8:]})", f"{name[:_MAX_NAME]} ({cluster_id})"):
            if known := await self.cluster_name(cluster_id):
                return known
            message = f'Imported from the object store "{job["display_name"]}". Apply its manifest to give it an agent.'
            document = self.clusters.new({"_id": cluster_id, "name": candidate}, user=job["script"]["data"]["user"])
            document = registered(document, public_url=self.installation.public_url)
            document["status"]["message"] = message
            try:
                await self.clusters.insert(document)
            except InvalidError:
                continue
            await self.recorder.record(Change("create", _CLUSTERS, cluster_id, candidate, message=message))
            return candidate
        text = f'Cannot register the cluster {cluster_id}: all names for it are taken. Rename the cluster "{name}" that is there.'
        raise InvalidError(text)

    async def add(self, found: Found, /, *, cluster_name: str, job: Document) -> str:
        """Insert a recovery point, or bring one up to date that was PENDING; return why not, empty when it is there now."""
        if found.job is None or found.output is None:
            return found.text
        store = await self.stores.get(job["script"]["data"]["objectstore"])
        now = self.points.clock.timestamp()
        place = Place(
            objectstore=store,
            prefix=join_prefix(store.get("prefix"), found.job["cluster"]),
            endpoint=(store.get("s3provider") or {}).get("endpoint") or "",
        )
        job_of = found.job | {"cluster_name": cluster_name}
        fields = build_point(job_of, found.output, place=place, message=found.text, now=now, is_complete=found.is_complete)
        kept = now + job["script"]["data"]["keep_days"] * DAY_SECONDS
        fields |= {"expiry_timestamp": max(fields["expiry_timestamp"], kept), "import_time": now}
        if found.worth is Worth.INCOMPLETE:
            fields["state"] = RecoveryPointState.PENDING.value
        return await self._insert(self.points.new(fields))

    async def _insert(self, point: Document) -> str:
        if await self.points.collection.get(point["_id"]) is not None:
            pending = eq("state", RecoveryPointState.PENDING.value)
            changed = {key: value for key, value in point.items() if not key.startswith("_")}
            return "" if await self.points.set(point["_id"], changed, expected=pending) else "It was imported or deleted meanwhile."
        try:
            await self.points.insert(point)
        except InvalidError:
            return f"The job {point['backup_job_id']} that it names has another recovery point."
        return ""

    async def count(self, cluster_id: str, /) -> None:
        """Show on the cluster how many recovery points it has now."""
        await count_points(self.points, cluster_id)
