"""Expiry: what has expired and nothing keeps is deleted, the same way as a client would; a deletion that failed is tried again.

A pass reads what is due and no more. What stays is not looked at again for a while, so that ten thousand kept points cost next to nothing.
What is to go is marked first and judged once more, by what is in the database then: of a definition, only points that are there beside it count,
and no job that began meanwhile loses what it reads (docs/adr/0035). Whoever holds the lease sweeps; two that think they do harm nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from itertools import groupby

import structlog
from cloudcasa_contract.states import RecoveryPointState

from ..kit.lease import Lease
from ..kit.store import And, Compare, Document, Not, Query, StoreError, Update, eq
from .deletion import GUARD_SECONDS, Deletions
from .retention import FIELDS, Fate, Reason, fates, group_of
from .room import Rooms

log = structlog.get_logger(__name__)

BATCH = 200
ROUNDS = 10
STARTS = 100
"""Deletions that one pass starts at most."""
KEPT_SECONDS = 3600.0
"""When a point that is kept is looked at again."""
USED_SECONDS = 300.0
_READY, _DELETING = RecoveryPointState.READY.value, RecoveryPointState.DELETING.value
_SET_BACK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Group:
    """The points of one definition, and what is asked of them there."""

    points: list[Document]
    keep_last_good: bool


@dataclass(frozen=True, slots=True)
class Expiry:
    """The sweeper."""

    deletions: Deletions
    lease: Lease
    keep_last_good: bool
    """Of definitions that do not say."""

    @property
    def _now(self) -> float:
        return self.deletions.jobs.now()

    async def sweep(self) -> None:
        """Go once through what is due, if this replica leads."""
        held = await self.lease.hold()
        if held is not None and held.seconds_back > _SET_BACK_SECONDS:
            await self._rewind()
            await self.lease.believe_clock()
        rooms = Rooms(self.deletions.jobs, left=STARTS)
        for _ in range(ROUNDS):
            if held is None:
                return
            found = [*await self._retry(rooms), *await self._expire(rooms)]
            held = await self.lease.hold() if len(found) >= BATCH else None

    async def _rewind(self) -> None:
        """Look at everything again that a clock which was ahead has put off."""
        log.warning("The clock was set back; recovery points are looked at anew")
        ahead = Compare("sweep.at", "gt", self._now)
        await self.deletions.points.collection.update_many(ahead, Update(set={"sweep.at": self._now}))

    async def _due(self, state: str, *more: Query, sort: str) -> list[Document]:
        due = And((eq("state", state), *more, Not(Compare("sweep.at", "gt", self._now))))
        return await self.deletions.points.collection.find(due, sort=((sort, 1),), limit=BATCH)

    async def _retry(self, rooms: Rooms) -> list[Document]:
        """Open deletions anew that failed a while ago, or whose server died before it opened their job."""
        found = await self._due(_DELETING, sort="sweep.at")
        for point in found:
            await self._calmly(self._try_again(point, rooms), [point])
        return found

    async def _try_again(self, point: Document, rooms: Rooms) -> None:
        if await self.deletions.is_running(point["_id"]):
            await self._look_later(point, seconds=GUARD_SECONDS)
        elif (seconds := await rooms.enter(point["cluster"], is_wanted=True)) is not None:
            await self._look_later(point, seconds=seconds)
        else:
            await self.deletions.start(point, is_expiry=bool((point.get("sweep") or {}).get("is_expiry")))

    async def _expire(self, rooms: Rooms) -> list[Document]:
        found = await self._due(_READY, Compare("expiry_timestamp", "lte", self._now), sort="expiry_timestamp")
        for _, members in groupby(sorted(found, key=group_of), key=group_of):
            due = list(members)
            await self._calmly(self._look_at(due, rooms), due)
        return found

    async def _calmly(self, work: Awaitable[None], points: list[Document]) -> None:
        """Do what is to be done about points; a bug with these must not keep others from going."""
        try:
            await work
        except StoreError:
            raise
        except Exception:
            log.exception("Expired recovery points could not be looked at and will be later", points=[point["_id"] for point in points[:5]])
            for point in points:
                await self._look_later(point, seconds=KEPT_SECONDS)

    async def _look_at(self, due: list[Document], rooms: Rooms) -> None:
        """Judge the due points of one definition, the oldest first."""
        judged = {fate.point["_id"]: fate for fate in await self._judge(due)}
        for point in sorted(due, key=lambda each: (each["start_time"], each["_id"])):
            fate = judged.get(point["_id"])
            if fate is None:
                continue
            if fate.reason is not None:
                await self._look_later(point, seconds=_again(fate), why=fate.reason)
            elif (seconds := await rooms.enter(point["cluster"])) is not None:
                await self._look_later(point, seconds=seconds)
            else:
                await self._delete(point)

    async def _delete(self, point: Document) -> None:
        marked = await self.deletions.mark(point, is_expiry=True)
        if marked is None:
            return
        fate = next(each for each in await self._judge([marked]) if each.point["_id"] == marked["_id"])
        if fate.reason is not None:
            await self.deletions.unmark(marked, seconds=_again(fate))
            return
        await self.deletions.open(marked)
        log.info("Recovery point expired", point=point["_id"], name=point["name"], cluster=point["cluster"])

    async def _judge(self, asked: list[Document]) -> list[Fate]:
        """Return the fates of all READY points of a definition, and of those that are asked about, by what the database says now."""
        group = await self.group(asked[0])
        points = {each["_id"]: each for each in (*group.points, *asked)}
        used = await self.deletions.used(each["_id"] for each in asked)
        return fates(points.values(), now=self._now, in_use=used, keep_last_good=group.keep_last_good)

    async def group(self, point: Document, /) -> Group:
        """Return the READY points of a point's definition."""
        definition_id = point.get("backupdef")
        mine = (
            (eq("backupdef", definition_id),)
            if definition_id
            else (eq("cluster", point["cluster"]), eq("backupdef", None), eq("backupdef_name", point.get("backupdef_name")))
        )
        points = await self.deletions.points.collection.find(And((*mine, eq("state", _READY))), projection=FIELDS)
        return Group(points, await self._keeps_last_good(definition_id))

    async def _keeps_last_good(self, definition_id: str | None) -> bool:
        backups = self.deletions.points.store.collection("kubebackups")
        definition = await backups.get(definition_id) if definition_id else None
        told = (definition or {}).get("keep_last_good")
        return self.keep_last_good if told is None else bool(told)

    async def _look_later(self, point: Document, *, seconds: float, why: Reason | None = None) -> None:
        change = {"sweep.at": self._now + seconds} | ({"sweep.why": why.value} if why else {})
        await self.deletions.points.collection.update(point["_id"], Update(set=change), expected=eq("state", point["state"]))


def _again(fate: Fate) -> float:
    return USED_SECONDS if fate.reason is Reason.IN_USE else KEPT_SECONDS
