"""Which clusters hold a store's location, and which of its changes has reached them. Pure; locations.py acts on it.

A row is made when a cluster is told of a store for the first time, and lives until the cluster says that it has forgotten the store. Both
it and the store count revisions: the store's goes up with each change of its place or keys, in the same write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

from ..kit.store import Document, Index

LOCATIONS = "storelocations"
REVISION = "rollout.revision"
DUE = "rollout.is_due"
"""Set in the same write as a change, taken away when every cluster's command is in the outbox."""
State = Literal["REACHED", "WAITING", "FAILED"]
INDEXES = (
    Index("objectstore", (("objectstore", 1), ("cluster", 1))),
    Index("retry", (("retry_at", 1),)),
)


def location_id(objectstore_id: str, cluster_id: str, /) -> str:
    """Return the id of the row of a store on a cluster."""
    return sha256(f"{objectstore_id}/{cluster_id}".encode()).hexdigest()[:24]


def new_location(objectstore_id: str, cluster_id: str, /, *, revision: int) -> Document:
    """Return a row; nothing is known to have arrived yet. `first` is what the cluster was told first."""
    return {
        "_id": location_id(objectstore_id, cluster_id),
        "objectstore": objectstore_id,
        "cluster": cluster_id,
        "first": revision,
        "reached": -1,
        "command": "",
        "attempt": 0,
        "problem": "",
        "repaired": [],
        "retry_at": None,
        "is_removed": False,
    }


def revision_of(store: Document, /) -> int:
    """Return how often a store's place or keys were changed."""
    return int((store.get("rollout") or {}).get("revision", 0))


def changed(store: Document, /) -> Document:
    """Return what goes into the write that changes a store's place or keys."""
    return {"rollout": {"revision": revision_of(store) + 1, "is_due": True}}


@dataclass(frozen=True, slots=True)
class Reach:
    """How a change is doing on one cluster."""

    cluster_id: str
    state: State
    message: str = ""

    def document(self) -> Document:
        """Return what clients see."""
        return {"cluster": self.cluster_id, "state": self.state, "message": self.message}


def reach_of(row: Document, /, *, revision: int, cluster: Mapping[str, Any]) -> Reach:
    """Return how the store's latest revision is doing on a cluster."""
    name = f'"{cluster["name"]}"'
    if row["reached"] >= revision:
        repaired = "; ".join(row.get("repaired") or ())
        return Reach(row["cluster"], "REACHED", f"Changed by hand on {name}, and put right: {repaired}." if repaired else "")
    if row["problem"]:
        return Reach(row["cluster"], "FAILED", f"{name}: {row['problem']}")
    return Reach(row["cluster"], "WAITING", f"{name} {standing(cluster)}.")


def standing(cluster: Mapping[str, Any], /, *, active: str = "is being told") -> str:
    """Return what a cluster is doing, as the rest of a sentence."""
    status = cluster.get("status") or {}
    if status.get("state") == "ACTIVE":
        return active
    if status.get("state") != "PENDING":
        return "has not been ACTIVE yet"
    since = status.get("pendingStateTimestamp")
    return f"is PENDING since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC" if since else "is PENDING"


def summary(reaches: Sequence[Reach], /) -> Document:
    """Return `status.rollout` as clients see it: counts, one sentence, and each cluster."""
    reached = sum(one.state == "REACHED" for one in reaches)
    open_ones = [one.message for one in reaches if one.state != "REACHED"]
    head = f"Reached {reached} of {len(reaches)} clusters"
    return {
        "reached": reached,
        "clusters": len(reaches),
        "message": f"{head}; {' '.join(open_ones[:3])}" if open_ones else f"{head}." if reaches else "No cluster uses it yet.",
        "details": [one.document() for one in reaches],
    }
