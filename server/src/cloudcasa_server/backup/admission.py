"""Whether a run may begin now, and what it waits for otherwise: a window, its cluster, a slot. What waits stays PENDING and says so.

A run that somebody started does not wait for windows, and is skipped at once when its cluster is not ACTIVE: who started it is told right away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudcasa_contract.states import ClusterState, JobState

from ..job.model import Finish, Wait
from ..job.slots import Slots, Want
from ..kit.clock import Clock
from ..kit.store import Document
from ..policy.windows import opens_at

POLL_SECONDS = 60.0
"""How often a run looks whether its cluster is back."""
TURN_SECONDS = 300.0
"""How often one that waits for its turn looks by itself: it is woken when a slot is given back, and thousands may wait."""
MAX_POLL_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Admission:
    """The rules by which runs begin."""

    slots: Slots
    clock: Clock
    missed_run_seconds: float
    """How long a run by schedule waits for its cluster before it is reported instead."""
    max_runs_per_cluster: int
    max_runs_per_store: int

    def _now(self) -> float:
        return self.clock.now().timestamp()

    def by_cluster(self, job: Document, cluster: Document, /) -> Wait | Finish | None:
        """Return what a run has to do when its cluster does not let it begin."""
        configuration = cluster.get("configuration") or {}
        if waiting := self.by_window(job, configuration, owner=f'the cluster "{cluster["name"]}"', key=cluster["_id"]):
            return waiting
        reason = skip_reason(cluster)
        if not reason or "scheduled_time" not in job:
            return Finish(JobState.SKIPPED, reason) if reason else None
        key = f"cluster:{cluster['_id']}"
        if self._now() - _since(job, key, now=self._now()) > self.missed_run_seconds:
            hours = self.missed_run_seconds / 3600
            return Finish(JobState.SKIPPED, f"{reason} It was waited for, for {hours:g} hours.")
        return self._wait(job, on=key, text=f"Waits for its cluster. {reason}", seconds=POLL_SECONDS)

    def by_window(self, job: Document, limits: Mapping[str, Any], /, *, owner: str, key: str) -> Wait | None:
        """Return how long a run by schedule waits for a window."""
        opens = opens_at(limits.get("backup_windows") or (), now=self._now()) if "scheduled_time" in job else None
        if opens is None:
            return None
        at = self.clock.now().fromtimestamp(opens, self.clock.now().tzinfo)
        text = f"Waits for the backup window of {owner}, which opens at {at:%Y-%m-%d %H:%M} UTC."
        return self._wait(job, on=f"window:{key}", text=text, seconds=min(MAX_POLL_SECONDS, opens - self._now()))

    async def by_slots(self, job: Document, /, *, cluster: Document, store: Document) -> Wait | Finish | None:
        """Take the slots of a run, or return what it waits for."""
        configured = (cluster.get("configuration") or {}).get("max_concurrent_runs")
        wants = (
            Want(f"backup:{job['backupdef']}", 1),
            Want(f"slot:{cluster['_id']}", _limit(configured, self.max_runs_per_cluster)),
            Want(f"slot:{store['_id']}", _limit(store.get("max_concurrent_runs"), self.max_runs_per_store)),
        )
        full = await self.slots.take(job, [want for want in wants if want.limit])
        if full is None:
            return None
        if full.want.key == wants[0].key:
            return Finish(JobState.SKIPPED, overlap_text(job))
        owner = f'cluster "{cluster["name"]}"' if full.want.key == wants[1].key else f'object store "{store["name"]}"'
        text = f"Waits for its turn: the {owner} takes {full.want.limit} at once."
        return self._wait(job, on=full.want.key, text=text, seconds=TURN_SECONDS)

    def _wait(self, job: Document, *, on: str, text: str, seconds: float) -> Wait:
        waits = job["script"].get("waits") or {}
        if waits.get("on") == on and job["message"] == text:
            return Wait(seconds)
        standing = {"on": on, "since": _since(job, on, now=self._now())}
        changes = {"state": JobState.PENDING.value, "message": text, "script.waits": standing}
        return Wait(seconds, changes, activity="" if waits.get("on") == on else text)

    def begun(self, cluster: Document, store: Document, /) -> dict[str, Any]:
        """Return the changes to a job that begins: whom to wake when it ends, and since when its time runs."""
        slots = [f"slot:{cluster['_id']}", f"slot:{store['_id']}"]
        return {"script.waits": None, "script.slots": slots, "script.began_at": self._now(), "message": ""}


def _since(job: Document, on: str, *, now: float) -> float:
    waits = job["script"].get("waits") or {}
    return float(waits["since"]) if waits.get("on") == on else now


def _limit(own: int | None, general: int) -> int:
    return general if own is None else own


def overlap_text(job: Document, /) -> str:
    """Return why a run is skipped while another one is under way."""
    return f'Another run of the backup "{job["backupdef_name"]}" is still going on.'


def unwanted(job: Document, backup: Document | None, /) -> str:
    """Return why a run that waited is not wanted any more; empty when it is."""
    if backup is None:
        return f'The backup "{job["backupdef_name"]}" was deleted while its run waited.'
    if backup.get("pause") and "scheduled_time" in job:
        return f'The backup "{backup["name"]}" was paused while its run waited.'
    return ""


def skip_reason(cluster: Document, /) -> str:
    """Return why nothing can be started on a cluster now; empty when it can."""
    if cluster["status"]["state"] == ClusterState.ACTIVE.value:
        return ""
    why = cluster["status"].get("message") or "Its agent has not connected yet: apply its manifest."
    return f'The cluster "{cluster["name"]}" is {cluster["status"]["state"]}, not ACTIVE. {why}'
