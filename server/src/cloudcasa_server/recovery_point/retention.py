"""Which recovery points may go. Pure; the sweeper and the preview go by the same rules (docs/adr/0035). Source: rest-api.md 2.3, 3.4.

A point goes when it expired and nothing holds it. What holds it beyond its expiry follows from the points of its definition alone, never
from the time: newest first, a point is kept as long as fewer than its `numAlwaysRetain` are kept so, and the newest good one is always
kept. So what has been deleted never makes another one deletable, and time only lets more go. A copy can stand for a snapshot, which
lives and dies with the cluster's storage; a snapshot never for a copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from ..kit.store import Document

COPY = "COPY"
_SUCCESS = "Backup successful"
"""What points say that were made before `status.complete` was: only those of a COMPLETED job said just this."""
FIELDS: Mapping[str, bool] = dict.fromkeys(
    (
        *("name", "state", "type", "cluster", "backupdef", "backupdef_name"),
        *("start_time", "expiry_timestamp", "retention", "status", "message"),
    ),
    True,
)
"""What the rules read of a point."""


class Reason(StrEnum):
    """Why a point stays."""

    LOCKED = "locked"
    NO_EXPIRY = "no-expiry"
    NOT_EXPIRED = "not-expired"
    IN_USE = "in-use"
    MINIMUM = "minimum-kept"
    LAST_GOOD = "last-good"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a point, as far as can be said now."""

    point: Document
    reason: Reason | None
    """Why it stays now; None: it goes."""
    guard: Reason | None = None
    """What keeps it beyond its expiry, as long as no newer point takes its place."""

    @property
    def goes_at(self) -> int | None:
        """Return when it goes if no further point is made; None when it then never does."""
        return None if self.guard or "expiry_timestamp" not in self.point else int(self.point["expiry_timestamp"])


def is_locked(point: Document, /, *, now: float) -> bool:
    """Tell whether nobody may delete the point yet; a locked one that does not say when it expires stays locked."""
    return bool(point["status"].get("locked")) and bool(point.get("expiry_timestamp", now + 1) > now)


def is_good(point: Document, /) -> bool:
    """Tell whether everything that was asked for is in it."""
    return bool(point["status"].get("complete", point.get("message") == _SUCCESS))


def group_of(point: Document, /) -> tuple[str, str]:
    """Return what a point is one of: its definition; of an imported one that has none, its cluster and the name of what it was."""
    return ("backupdef", str(point["backupdef"])) if point.get("backupdef") else (str(point["cluster"]), str(point.get("backupdef_name")))


def fates(points: Iterable[Document], /, *, now: float, in_use: AbstractSet[str] = frozenset(), keep_last_good: bool = True) -> list[Fate]:
    """Return the fate of each READY point of one definition, newest first. All of them must be given."""
    newest_first = sorted(points, key=lambda point: (point["start_time"], point["_id"]), reverse=True)
    guards = _guards(newest_first, keep_last_good=keep_last_good)
    return [Fate(point, _reason(point, guard, now=now, in_use=in_use), guard) for point, guard in zip(newest_first, guards, strict=True)]


def _guards(newest_first: Sequence[Document], *, keep_last_good: bool) -> list[Reason | None]:
    """Return what keeps each point beyond its expiry."""
    found: list[Reason | None] = []
    kept = {True: 0, False: 0}
    """How many are kept so far: copies, and all."""
    good = {True: False, False: False}
    for point in newest_first:
        is_copy = point["type"] == COPY
        is_last_good = keep_last_good and is_good(point) and not good[is_copy]
        is_minimum = kept[is_copy] < int(point["retention"].get("numAlwaysRetain") or 0)
        found.append(Reason.MINIMUM if is_minimum else Reason.LAST_GOOD if is_last_good else None)
        for kind in {is_copy, False}:
            kept[kind] += is_minimum
            good[kind] |= is_good(point)
    return found


def _reason(point: Document, guard: Reason | None, *, now: float, in_use: AbstractSet[str]) -> Reason | None:
    if is_locked(point, now=now):
        return Reason.LOCKED
    if "expiry_timestamp" not in point:
        return Reason.NO_EXPIRY
    if point["expiry_timestamp"] > now:
        return Reason.NOT_EXPIRED
    return Reason.IN_USE if point["_id"] in in_use else guard
