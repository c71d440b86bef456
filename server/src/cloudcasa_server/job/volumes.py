"""How far each volume of a job is: the rows of `kubepvcprogress`, from what agents tell on the way and in the end. Source: rest-api.md 2.12.

A row goes forward only: what a late progress frame says of a volume that is done changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cloudcasa_contract.commands import VolumeResult
from cloudcasa_contract.frames import Progress, VolumeProgress
from cloudcasa_contract.states import JobType

from ..kit.errors import InvalidError
from ..kit.rest import Documents
from ..kit.store import And, Document, In, Index, Update, eq
from .verdict import volume_trouble

COLLECTION = "kubepvcprogress"
MAX_VOLUMES = 2_000
"""Of one job: an agent must not make a collection grow without end."""
MAX_NAME = 253
MAX_MESSAGE = 1_000
INDEXES = (Index("cluster", (("cluster", 1), ("_updated", -1))),)
Row = dict[str, Any]


class VolumeState(StrEnum):
    """How far a volume is."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


OPEN = (VolumeState.PENDING.value, VolumeState.ACTIVE.value)
_STATES = {
    "InProgress": VolumeState.ACTIVE,
    "Canceling": VolumeState.ACTIVE,
    "Completed": VolumeState.COMPLETED,
    "Canceled": VolumeState.FAILED,
    "Failed": VolumeState.FAILED,
}
"""Velero's phases of DataUpload and DataDownload; the others come before the work begins."""


def rows_on_the_way(job: Document, progress: Progress, /) -> list[Row]:
    """Return the rows that follow from a progress frame."""
    return [_on_the_way(job, volume) for volume in progress.volumes]


def rows_in_the_end(job: Document, volumes: Iterable[VolumeResult], /) -> list[Row]:
    """Return the rows that follow from what became of the volumes."""
    return [_in_the_end(job, volume) for volume in volumes]


def _base(job: Document, *, namespace: str, name: str, state: VolumeState) -> Row:
    is_snapshot = job["type"] == JobType.K8S_SNAP.value
    row: Row = {"job_id": job["_id"], "cluster": job["cluster"], "state": state.value}
    row |= {"namespace": namespace[:MAX_NAME], "name": name[:MAX_NAME]}
    row["op_type"] = "SNAP" if is_snapshot else "COPY"
    return row | ({"snapshot_progress_percentage": 100 if state is VolumeState.COMPLETED else 0} if is_snapshot else {})


def _on_the_way(job: Document, volume: VolumeProgress) -> Row:
    stats = {"estimated_size": volume.bytes_total, "io_size": volume.bytes_done, "transferred_size": volume.bytes_done}
    state = _STATES.get(volume.phase, VolumeState.PENDING)
    return _base(job, namespace=volume.namespace, name=volume.pvc, state=state) | {"message": "", "stats": stats}


def _in_the_end(job: Document, volume: VolumeResult) -> Row:
    state, message = _end(volume, needs_data=job["type"] == JobType.K8S_COPY.value)
    row = _base(job, namespace=volume.namespace, name=volume.pvc, state=state)
    return row | {"message": message[:MAX_MESSAGE], "stats": {"estimated_size": volume.size_bytes}}


def _end(volume: VolumeResult, *, needs_data: bool) -> tuple[VolumeState, str]:
    if volume.skipped_reason and volume.succeeded:
        return VolumeState.SKIPPED, volume.skipped_reason
    trouble = volume_trouble(volume, needs_data=needs_data, needs_volumes=False)
    return (VolumeState.FAILED, trouble) if trouble else (VolumeState.COMPLETED, "")


def forward(old: Mapping[str, Any], row: Row, /, *, now: int) -> Row:
    """Return the row as it is to be stored over the old one (empty: there is none): with its times, never back from an end."""
    if old.get("state", VolumeState.PENDING.value) not in OPEN and row["state"] in OPEN:
        return {}
    times: Row = {}
    if row["state"] != VolumeState.PENDING.value and "start_time" not in old:
        times["start_time"] = now
    if row["state"] not in OPEN and "end_time" not in old:
        times["end_time"] = now
    return {**row, "stats": {**old.get("stats", {}), **row["stats"]}, **times}


@dataclass(frozen=True, slots=True)
class Volumes:
    """The rows of all jobs."""

    documents: Documents

    async def record(self, job: Document, rows: Iterable[Row], /) -> None:
        """Store what changed."""
        found = await self.documents.collection.find(eq("job_id", job["_id"]), limit=MAX_VOLUMES)
        known = {(each["namespace"], each["name"]): each for each in found}
        for row in list(rows)[:MAX_VOLUMES]:
            old = known.get((row["namespace"], row["name"]), {})
            new = forward(old, row, now=self.documents.clock.timestamp())
            changed = {key: value for key, value in new.items() if old.get(key) != value}
            if old and changed:
                await self.documents.set(old["_id"], changed)
            elif changed:
                await self._insert(new)

    async def _insert(self, row: Row) -> None:
        try:
            await self.documents.insert(self.documents.new(row))
        except InvalidError:
            return  # another server was faster; the next frame brings what is missing

    async def close(self, job: Document, /) -> None:
        """End the rows of a job that ends: of what was not told done, it is not known."""
        now = self.documents.clock.timestamp()
        ended = {"state": VolumeState.FAILED.value, "message": "The job ended before this volume was told done.", "end_time": now}
        still_open = And((eq("job_id", job["_id"]), In("state", OPEN)))
        await self.documents.collection.update_many(still_open, Update(set={**ended, "_updated": now}))


def snapshot_counts(volumes: Iterable[VolumeResult], /) -> dict[str, int]:
    """Return `kube_snapshot_progress` of a run that ended."""
    states = [_end(volume, needs_data=False)[0] for volume in volumes]
    counts = {f"{state.value.lower()}_pvs": states.count(state) for state in VolumeState}
    return {"total_pvs": len(states), **counts}
