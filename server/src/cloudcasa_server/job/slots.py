"""Slots: how many runs may go on at once on a cluster, to an object store and of a definition. One document, changed by compare-and-set.

A run that ended holds nothing, whoever ended it: who looks for a free slot drops what is over. So nothing is lost with a server that dies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..kit.store import And, Collection, Compare, Document, DuplicateKeyError, In, Or, Query, Store, Update, eq
from .model import COLLECTION as JOBS

COLLECTION = "runslots"
BOOK_ID = "0" * 23 + "2"
WAITS_ON = "script.waits.on"
TURNS = (("start_time", 1), ("_id", 1))
"""The order in which those that wait begin."""
_RACES = 50


@dataclass(frozen=True, slots=True)
class Want:
    """A slot that a run needs: at most `limit` runs hold the same key."""

    key: str
    limit: int


@dataclass(frozen=True, slots=True)
class Full:
    """There is no slot for a run, or it is another one's turn. No want: others took slots all the time, so nobody knows."""

    want: Want | None


@dataclass(frozen=True, slots=True)
class Slots:
    """The slots of all runs."""

    store: Store

    async def take(self, job: Document, wants: Sequence[Want], /) -> Full | None:
        """Give a run all the slots it needs, or none: then return what is full. Asking again does no harm."""
        for _ in range(_RACES):
            book = await self._book()
            holders: dict[str, list[str]] = book["holders"]
            if job["_id"] in holders:
                return None
            live = await self._live(holders)
            for want in wants:
                free = want.limit - sum(want.key in keys for keys in live.values())
                if free <= 0 or await self._ahead(job, want.key, limit=free) >= free:
                    return Full(want)
            live[job["_id"]] = [want.key for want in wants]
            change = Update(set={"holders": live}, increment={"rev": 1})
            if await self._books.update(BOOK_ID, change, expected=eq("rev", book["rev"])) is not None:
                return None
        return Full(None)

    @property
    def _books(self) -> Collection:
        return self.store.collection(COLLECTION)

    async def _book(self) -> Document:
        book = await self._books.get(BOOK_ID)
        while book is None:
            try:
                await self._books.insert({"_id": BOOK_ID, "rev": 0, "holders": {}})
            except DuplicateKeyError:
                pass
            book = await self._books.get(BOOK_ID)
        return book

    async def _live(self, holders: dict[str, list[str]]) -> dict[str, list[str]]:
        if not holders:
            return {}
        under_way = And((In("_id", tuple(holders)), eq("script.is_open", True)))
        found = await self.store.collection(JOBS).find(under_way, projection={"name": True})
        return {one["_id"]: holders[one["_id"]] for one in found}

    async def _ahead(self, job: Document, key: str, *, limit: int) -> int:
        """Return how many wait for the same slot and came before; no more than `limit` are counted, since thousands may wait."""
        waiting = And((eq(WAITS_ON, key), eq("script.is_open", True), came_before(job)))
        return len(await self.store.collection(JOBS).find(waiting, sort=TURNS, limit=limit, projection={"name": True}))


def came_before(job: Document, /) -> Query:
    """Return the query of jobs whose turn is before that of this one."""
    same = And((eq("start_time", job["start_time"]), Compare("_id", "lt", job["_id"])))
    return Or((Compare("start_time", "lt", job["start_time"]), same))
