"""How many deletions by expiry a cluster takes now. Velero deletes one after the other, so a few at a time are enough, and one that failed is a
reason to wait: its cause is hardly that one point's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cloudcasa_contract.states import ClusterState, JobState, JobType

from ..job.service import Jobs
from ..kit.store import And, Compare, eq

AT_ONCE = 5
PAUSE_SECONDS = 900.0
"""How long nothing more is deleted on a cluster after a failure; then one at a time until one succeeds."""
AWAY_SECONDS = 900.0
GONE_SECONDS = 86_400.0
BUSY_SECONDS = 60.0


@dataclass
class Room:
    """What a cluster takes in this pass."""

    left: int
    again_seconds: float = BUSY_SECONDS
    """When to look again when there is none left."""


@dataclass
class Rooms:
    """The rooms of one pass; each cluster is asked about once."""

    jobs: Jobs
    left: int
    """How many deletions this pass may start in all."""
    _known: dict[str, Room] = field(default_factory=dict)

    async def enter(self, cluster_id: str, /, *, is_wanted: bool = False) -> float | None:
        """Take a place on a cluster: None when there was one, else in how many seconds to look again.

        `is_wanted`: somebody asked for this deletion, so that it goes on also when the cluster is no more, to its honest end.
        """
        room = self._known.get(cluster_id)
        if room is None:
            room = self._known[cluster_id] = await self._ask(cluster_id)
        if room.again_seconds == GONE_SECONDS and is_wanted:
            return None
        if not room.left or not self.left:
            return room.again_seconds
        room.left -= 1
        self.left -= 1
        return None

    async def _ask(self, cluster_id: str) -> Room:
        store = self.jobs.store
        cluster = await store.collection("kubeclusters").get(cluster_id)
        if cluster is None:
            return Room(0, GONE_SECONDS)
        if cluster["status"]["state"] != ClusterState.ACTIVE.value:
            return Room(0, AWAY_SECONDS)
        deletions = And((eq("cluster", cluster_id), eq("type", JobType.DELETE_BACKUP.value)))
        running = await store.collection("jobs").count(And((eq("script.is_open", True), deletions)))
        ended = And((deletions, Compare("state", "ne", JobState.PENDING.value), Compare("state", "ne", JobState.RUNNING.value)))
        latest = await store.collection("jobs").find(
            ended, sort=(("start_time", -1),), limit=1, projection={"state": True, "end_time": True}
        )
        if not latest or latest[0]["state"] != JobState.FAILED.value:
            return Room(max(0, AT_ONCE - running))
        pause = latest[0]["end_time"] + PAUSE_SECONDS - self.jobs.now()
        return Room(0, pause) if pause > 0 else Room(max(0, 1 - running))
