"""Bringing a database up to date at start: numbered migrations, then indexes, by one replica while the others wait (docs/adr/0024).

One document says how far the database is and who works on it under a lease; every step of the work is recorded in it by compare-and-set,
so a replica that takes over from one that was killed goes on where that one was, and one that lost its lease changes nothing more.
A migration goes through a collection in the order of _id, a bounded batch at a time, and changes each document by compare-and-set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import structlog

from .clock import Clock
from .store import And, Collection, Compare, Document, DuplicateKeyError, Index, Store, StoreError, StoreUnavailableError, Update, eq

log = structlog.get_logger(__name__)

COLLECTION = "schema"
STATE_ID = "0" * 23 + "1"
BATCH = 500
"""Documents read in one call: some MiB at most, and well within the deadline of a call."""
ATTEMPTS = 20
"""How often a document that others change at the same time is tried."""
POLL_SECONDS = 0.5
REPORT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Migration:
    """One change of the form of stored documents."""

    number: int
    """From 1, without gaps: a database at 3 has been through 1, 2 and 3."""
    name: str
    """What it does, as a sentence for the log."""
    collection: str
    change: Callable[[Document], Update | None]
    """Pure: what makes the new form of a document, or None for one that has it already. It may be asked again about any document."""


class NewerDatabaseError(StoreError):
    """The database was written by a newer server, whose documents this one would misread."""

    def __init__(self, found: int, known: int) -> None:
        """Say what to do."""
        super().__init__(
            f"The database was written by a newer server: it is at version {found}, and this server knows versions up to {known}. "
            "Start the newer server again, or restore the database from a backup that was made before the update."
        )


class _LeaseLostError(Exception):
    """Another replica works on the database now."""


@dataclass
class Migrator:
    """Bring a database up to date, once for all replicas."""

    store: Store
    clock: Clock
    migrations: Sequence[Migration]
    indexes: Mapping[str, Sequence[Index]]
    lease_seconds: float
    name: str = ""
    """Of this replica, for the log of those that wait."""
    owner: str = field(default_factory=lambda: token_hex(8))

    def __post_init__(self) -> None:
        """Refuse a list with gaps: numbers are what databases remember."""
        if [one.number for one in self.migrations] != list(range(1, len(self.migrations) + 1)):
            raise ValueError("Migrations are numbered from 1 without gaps, in their order.")

    @property
    def _states(self) -> Collection:
        return self.store.collection(COLLECTION)

    async def run(self) -> None:
        """Return when the database is up to date. Raises NewerDatabaseError and StoreError."""
        told_at: float | None = None
        while True:
            state = await self._state()
            if state["version"] > len(self.migrations):
                raise NewerDatabaseError(state["version"], len(self.migrations))
            claimed = await self._claim()
            if claimed is not None and await self._work(claimed):
                return
            if told_at is None or self.clock.monotonic() - told_at >= REPORT_SECONDS:
                told_at = self.clock.monotonic()
                other = (await self._state())["lease"]["name"]
                log.info("Waiting for another replica, which is bringing the database up to date", replica=other)
            await self.clock.sleep(POLL_SECONDS)

    async def _state(self) -> Document:
        state = await self._states.get(STATE_ID)
        while state is None:
            with suppress(DuplicateKeyError):
                await self._states.insert({"_id": STATE_ID, "version": 0, "cursor": "", "lease": _lease("", "", 0.0)})
            state = await self._states.get(STATE_ID)
        return state

    def _until(self) -> float:
        return self.clock.now().timestamp() + self.lease_seconds

    async def _claim(self) -> Document | None:
        is_free = Compare("lease.until", "lte", self.clock.now().timestamp())
        is_known = Compare("version", "lte", len(self.migrations))
        change = Update(set={"lease": _lease(self.owner, self.name, self._until())})
        return await self._states.update(STATE_ID, change, expected=And((is_free, is_known)))

    async def _work(self, state: Document) -> bool:
        """Do all there is to do; tell whether the lease lasted."""
        keeper = asyncio.create_task(self._keep())
        try:
            for migration in self.migrations[state["version"] :]:
                await self._migrate(migration, cursor=state["cursor"] if migration.number == state["version"] + 1 else "")
            await self.store.sync_indexes(self.indexes)
            await self._record({"lease": _lease("", "", 0.0)})
        except _LeaseLostError:
            log.warning("Another replica took over bringing the database up to date")
            return False
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        return True

    async def _keep(self) -> None:
        """Prolong the lease while something long is done, such as an index over a million documents."""
        while True:
            await self.clock.sleep(self.lease_seconds / 3)
            with suppress(StoreUnavailableError):
                await self._states.update(STATE_ID, Update(set={"lease.until": self._until()}), expected=eq("lease.owner", self.owner))

    async def _record(self, changes: Mapping[str, Any]) -> None:
        change = Update(set={"lease.until": self._until()} | dict(changes) if "lease" not in changes else changes)
        if await self._states.update(STATE_ID, change, expected=eq("lease.owner", self.owner)) is None:
            raise _LeaseLostError

    async def _migrate(self, migration: Migration, *, cursor: str) -> None:
        log.info("Migrating the database", number=migration.number, name=migration.name, resumed=bool(cursor))
        documents = self.store.collection(migration.collection)
        looked_at, changed, told_at = 0, 0, self.clock.monotonic()
        while found := await documents.find(Compare("_id", "gt", cursor), sort=(("_id", 1),), limit=BATCH):
            for document in found:
                changed += await _convert(documents, migration, document)
            cursor, looked_at = found[-1]["_id"], looked_at + len(found)
            await self._record({"cursor": cursor})
            if self.clock.monotonic() - told_at >= REPORT_SECONDS:
                told_at = self.clock.monotonic()
                log.info("Still migrating the database", number=migration.number, documents=looked_at, changed=changed)
        await self._record({"version": migration.number, "cursor": ""})
        log.info("Database migrated", number=migration.number, documents=looked_at, changed=changed)


def _lease(owner: str, name: str, until: float) -> Document:
    return {"owner": owner, "name": name, "until": until}


async def _convert(documents: Collection, migration: Migration, document: Document) -> bool:
    """Change a document if it needs it, also when others change it at the same time; tell whether it did."""
    current: Document | None = document
    for _ in range(ATTEMPTS):
        change = migration.change(current) if current is not None else None
        if current is None or change is None:
            return False
        touched = {path.partition(".")[0] for path in (*change.set, *change.unset, *change.increment, *change.push)}
        unchanged = And(tuple(eq(key, current.get(key)) for key in sorted(touched)))
        if await documents.update(current["_id"], change, expected=unchanged) is not None:
            return True
        current = await documents.get(current["_id"])
    raise StoreError(
        f"The migration {migration.number} ({migration.name}) cannot change {migration.collection}/{document['_id']}: "
        "others change it all the time. Stop the other replicas, then start again."
    )
