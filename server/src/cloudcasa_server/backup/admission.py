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
AGAIN_SECONDS = 1.0
"""When a run looks again that lost the race for slots."""


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
        reason = skip_reason(cluster)
        away = (job["script"].get("waits") or {}).get("away_since") if reason else None
        owner = f'the cluster "{cluster["name"]}"'
        if waiting := self.by_window(job, configuration, owner=owner, key=cluster["_id"], away_since=away):
            return waiting
        if not reason or "scheduled_time" not in job:
            return Finish(JobState.SKIPPED, reason, reason="skipped_not_active") if reason else None
        since = self._now() if away is None else float(away)
        if self._now() - since > self.missed_run_seconds:
            hours = self.missed_run_seconds / 3600
            return Finish(JobState.SKIPPED, f"{reason} It was waited for, for {hours:g} hours.", reason="skipped_not_active")
        text = f"Waits for its cluster. {reason}"
        return self._wait(job, on=f"cluster:{cluster['_id']}", text=text, seconds=POLL_SECONDS, away_since=since)

    def by_window(
        self, job: Document, limits: Mapping[str, Any], /, *, owner: str, key: str, away_since: float | None = None
    ) -> Wait | None:
        """Return how long a run by schedule waits for a window; since when its cluster is away stays known meanwhile."""
        opens = opens_at(limits.get("backup_windows") or (), now=self._now()) if "scheduled_time" in job else None
        if opens is None:
            return None
        at = self.clock.now().fromtimestamp(opens, self.clock.now().tzinfo)
        text = f"Waits for the backup window of {owner}, which opens at {at:%Y-%m-%d %H:%M} UTC."
        seconds = min(MAX_POLL_SECONDS, opens - self._now())
        return self._wait(job, on=f"window:{key}", text=text, seconds=seconds, away_since=away_since)

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
        if full.want is None:
            return Wait(AGAIN_SECONDS)
        if full.want.key == wants[0].key:
            return overlapping(job)
        owner = f'cluster "{cluster["name"]}"' if full.want.key == wants[1].key else f'object store "{store["name"]}"'
        text = f"Waits for its turn: the {owner} takes {full.want.limit} at once."
        return self._wait(job, on=full.want.key, text=text, seconds=TURN_SECONDS)

    def _wait(self, job: Document, *, on: str, text: str, seconds: float, away_since: float | None = None) -> Wait:
        waits = job["script"].get("waits") or {}
        standing = {"on": on} | ({} if away_since is None else {"away_since": away_since})
        if waits == standing and job["message"] == text:
            return Wait(seconds)
        changes = {"state": JobState.PENDING.value, "message": text, "script.waits": standing}
        return Wait(seconds, changes, activity="" if waits.get("on") == on else text)

    def begun(self, cluster: Document, store: Document, /) -> dict[str, Any]:
        """Return the changes to a job that begins: whom to wake when it ends, and since when its time runs."""
        slots = [f"slot:{cluster['_id']}", f"slot:{store['_id']}"]
        return {"script.waits": None, "script.slots": slots, "script.began_at": self._now(), "message": ""}


def _limit(own: int | None, general: int) -> int:
    return general if own is None else own


def overlapping(job: Document, /) -> Finish:
    """Return the end of a run that is skipped while another one is under way."""
    message = f'Another run of the backup "{job["backupdef_name"]}" is still going on.'
    return Finish(JobState.SKIPPED, message, reason="skipped_previous_running")


def unwanted(job: Document, backup: Document | None, /) -> Finish | None:
    """Return the end of a run that waited and is not wanted any more; None when it is."""
    if backup is None:
        message = f'The backup "{job["backupdef_name"]}" was deleted while its run waited.'
        return Finish(JobState.CANCELED, message, reason="definition_deleted")
    if backup.get("pause") and "scheduled_time" in job:
        message = f'The backup "{backup["name"]}" was paused while its run waited.'
        return Finish(JobState.CANCELED, message, reason="definition_paused")
    return None


def skip_reason(cluster: Document, /) -> str:
    """Return why nothing can be started on a cluster now; empty when it can."""
    if cluster["status"]["state"] == ClusterState.ACTIVE.value:
        return ""
    why = cluster["status"].get("message") or "Its agent has not connected yet: apply its manifest."
    return f'The cluster "{cluster["name"]}" is {cluster["status"]["state"]}, not ACTIVE. {why}'
