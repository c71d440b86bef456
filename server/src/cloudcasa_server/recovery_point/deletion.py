"""Deleting a recovery point: it is marked, and a job deletes its data. One way, whoever wants it gone: a client, or time.

The mark is written before the job is opened, by compare-and-set, and the job's id follows from the mark: a server that dies in between is
taken over from by the sweeper, and of two that want the same only one opens a job. A deletion that failed is tried again, later each time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cloudcasa_contract.states import JobType, RecoveryPointState

from ..job.model import JobRequest
from ..job.service import Jobs
from ..kit.rest import Documents
from ..kit.store import And, Compare, Document, In, Update, eq
from .counting import count_points
from .model import DAY_SECONDS

GUARD_SECONDS = 600.0
"""How long after its mark the job of a deletion is looked for."""
FIRST_RETRY_SECONDS = 300.0
_GROWTH = 4.0
LONGEST_RETRY_SECONDS = float(DAY_SECONDS)
_READY, _DELETING = RecoveryPointState.READY.value, RecoveryPointState.DELETING.value
_IS_OPEN = eq("script.is_open", True)


@dataclass(frozen=True, slots=True)
class Deletions:
    """The deletions of recovery points."""

    points: Documents
    jobs: Jobs

    async def start(self, point: Document, /, *, is_expiry: bool) -> bool:
        """Mark a point and open the job that deletes it; False when somebody changed the point meanwhile, or it is being deleted."""
        marked = await self.mark(point, is_expiry=is_expiry)
        if marked is not None:
            await self.open(marked)
        return marked is not None

    async def mark(self, point: Document, /, *, is_expiry: bool) -> Document | None:
        """Mark a point that is as it was read; return it as it is now, or None."""
        if point["state"] == _DELETING and await self.is_running(point["_id"]):
            return None
        before = point.get("sweep") or {}
        mark = {"at": self.jobs.now() + GUARD_SECONDS, "attempt": before.get("attempt", 0) + 1, "is_expiry": is_expiry}
        unchanged = And((eq("state", point["state"]), eq("sweep", point.get("sweep"))))
        return await self.points.set(point["_id"], {"state": _DELETING, "sweep": mark}, expected=unchanged)

    async def unmark(self, marked: Document, /, *, seconds: float) -> None:
        """Leave a point that must stay after all as it was, and look at it later."""
        back = {"state": _READY, "sweep": {"at": self.jobs.now() + seconds}}
        await self.points.set(marked["_id"], back, expected=eq("sweep", marked["sweep"]))

    async def open(self, marked: Document, /) -> None:
        """Open the job of a marked point, once for each mark."""
        await self.jobs.open(_request(marked))
        await count_points(self.points, marked["cluster"])

    async def is_running(self, point_id: str, /) -> bool:
        """Tell whether a job is deleting the point."""
        deleting = And((_IS_OPEN, eq("backup_inst", point_id), eq("type", JobType.DELETE_BACKUP.value)))
        return await self.points.store.collection("jobs").count(deleting) > 0

    async def used(self, point_ids: Iterable[str], /) -> frozenset[str]:
        """Return those of some points that a job reads."""
        reading = And((_IS_OPEN, In("backup_inst", tuple(point_ids)), Compare("type", "ne", JobType.DELETE_BACKUP.value)))
        found = await self.points.store.collection("jobs").find(reading, projection={"backup_inst": True})
        return frozenset(str(job["backup_inst"]) for job in found)

    async def failed(self, point_id: str, why: str, /) -> str:
        """Record why a point could not be deleted and when that is tried again; return it as a sentence."""
        point = await self.points.find(point_id)
        if point is None:
            return why
        attempt = (point.get("sweep") or {}).get("attempt", 1)
        seconds = retry_seconds(attempt)
        message = f"Could not delete the data: {why} It is tried again by itself in {_span(seconds)}; delete the point to try at once."
        change = {"message": message, "sweep.at": self.jobs.now() + seconds}
        await self.points.collection.update(point_id, Update(set=change), expected=eq("state", _DELETING))
        return message


def retry_seconds(attempt: int, /) -> float:
    """Return how long to wait after so many tries: five minutes at first, a day at last."""
    return min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * float(_GROWTH ** min(attempt - 1, 10)))


def _span(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.0f} hours" if hours > 1 else f"{seconds / 60:.0f} minutes"


def _request(marked: Document) -> JobRequest:
    mark, selection, location = marked["sweep"], marked["backup_selection"], marked["backup_location"]
    was_promised = mark["is_expiry"] or marked["status"].get("locked")
    data = {
        "backup_name": marked["velero"]["backup_name"],
        "objectstore": marked["objectstore"],
        "place": f"{location['bucket_name']}/{location['prefix']}",
    }
    return JobRequest(
        type=JobType.DELETE_BACKUP,
        display_name=marked["name"],
        cluster_id=marked["cluster"],
        cluster_name=marked["cluster_name"],
        fields={"backup_inst": marked["_id"], **({"activity": ["It expired, and nothing keeps it."]} if mark["is_expiry"] else {})},
        namespaces=() if selection.get("all_namespaces") else selection.get("namespaces") or (),
        data=data | ({"not_before": marked["expiry_timestamp"]} if was_promised and "expiry_timestamp" in marked else {}),
        job_id=sha256(f"{marked['_id']}:delete:{mark['attempt']}".encode()).hexdigest()[:24],
    )
