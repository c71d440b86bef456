"""Login throttling: how often a password may be tried, shared by all replicas through the database (ADR 0018).

Three counters: for the address, for the address with the account, and for the account. Each gives some tries away and then makes the next one wait,
twice as long each time. An account alone waits half a minute at most, so that a stranger cannot lock anybody out; and where its owner has signed
in of late, only what is tried there with that account counts, not what neighbours do.
A try is counted before it is judged, so that many at once do not slip through.
The counters live in a fixed number of slots, chosen by a keyed hash: a flood of made-up names fills no disk, and nobody can aim at a slot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..kit.clock import Clock
from ..kit.errors import TooManyRequestsError
from ..kit.store import And, Compare, Document, DuplicateKeyError, Index, Store, Update, eq
from .address import neighbourhood

COLLECTION = "throttles"
INDEXES = (Index("expires_at", (("expires_at", 1),)),)
FORGET_SECONDS = 3_600
"""After how long without a failure a counter starts anew."""
KNOWN_SECONDS = 30 * 86_400
"""For how long an address counts as its owner's after a login."""
_SLOT_CHARACTERS = 5
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Rule:
    """How one counter slows down."""

    kind: str
    free: int
    """Failures that cost no time."""
    longest: int
    """Longest wait, in seconds."""

    def wait(self, failures: int) -> int:
        """Return how long the next try must wait after so many failures."""
        return 0 if failures < self.free else min(self.longest, 2 ** min(failures - self.free, 30))


ADDRESS = Rule("a", free=50, longest=900)
"""Many people may share one address, behind a router."""
PAIR = Rule("b", free=5, longest=900)
ACCOUNT = Rule("c", free=15, longest=30)


@dataclass(frozen=True, slots=True)
class Try:
    """A try that was let in."""

    account: str
    place: str
    is_known: bool
    """Whether the account's owner has signed in there of late: then the address was not counted."""


@dataclass(frozen=True, slots=True)
class Throttle:
    """Counts tries."""

    store: Store
    clock: Clock
    digest: Callable[[str], str]
    """A keyed hash."""

    async def admit(self, *, account: str, address: str) -> Try:
        """Count a try. Raises TooManyRequestsError when it comes too early."""
        place = neighbourhood(address)
        pair = f"{account}|{place}"
        is_known = await self._is_known(self._slot(PAIR, pair))
        if not is_known:
            await self._count(ADDRESS, place)
        await self._count(PAIR, pair)
        if not is_known:
            await self._count(ACCOUNT, account)
        return Try(account, place, is_known)

    async def _is_known(self, slot: str) -> bool:
        found = await self.store.collection(COLLECTION).get(slot)
        return found is not None and bool(found.get("known_until", 0) > self.clock.timestamp())

    async def succeeded(self, good: Try, /) -> None:
        """Forget the failures of an account, and remember where its owner signs in. The address keeps all of its others."""
        now = self.clock.timestamp()
        known = {"failures": 0, "until": 0, "known_until": now + KNOWN_SECONDS, "expires_at": now + KNOWN_SECONDS}
        collection = self.store.collection(COLLECTION)
        await collection.update(self._slot(PAIR, f"{good.account}|{good.place}"), Update(set=known))
        await collection.update(self._slot(ACCOUNT, good.account), Update(set={"failures": 0, "until": 0}))
        if not good.is_known:
            change = Update(increment={"failures": -1}, set={"until": 0})
            await collection.update(self._slot(ADDRESS, good.place), change, expected=Compare("failures", "gt", 0))

    async def prune(self) -> None:
        """Drop counters that mean nothing any more."""
        await self.store.collection(COLLECTION).delete_many(Compare("expires_at", "lt", self.clock.timestamp()))

    def _slot(self, rule: Rule, key: str) -> str:
        return (rule.kind + self.digest(f"{rule.kind}|{key}")[:_SLOT_CHARACTERS]).rjust(24, "0")

    async def _count(self, rule: Rule, key: str) -> None:
        """Count in the slot by compare-and-set. Raises TooManyRequestsError when it must wait."""
        slot = self._slot(rule, key)
        for _ in range(_ATTEMPTS):
            old = await self.store.collection(COLLECTION).get(slot)
            if old and old["until"] > self.clock.timestamp():
                raise _too_early(old["until"] - self.clock.timestamp())
            if await self._put(rule, slot, old):
                return
        raise _too_early(1)

    async def _put(self, rule: Rule, slot: str, old: Document | None) -> bool:
        now = self.clock.timestamp()
        is_fresh = old is not None and now - old["at"] < FORGET_SECONDS
        failures = (old["failures"] if old and is_fresh else 0) + 1
        known_until = old.get("known_until", 0) if old else 0
        expires_at = max(now + FORGET_SECONDS + rule.longest, known_until)
        counted: Document = {"failures": failures, "at": now, "until": now + rule.wait(failures), "expires_at": expires_at}
        collection = self.store.collection(COLLECTION)
        if old is None:
            try:
                await collection.insert({"_id": slot, **counted})
            except DuplicateKeyError:
                return False
            return True
        unchanged = And(tuple(eq(key, old[key]) for key in ("failures", "at", "until")))
        return await collection.update(slot, Update(set=counted), expected=unchanged) is not None


def _too_early(seconds: int) -> TooManyRequestsError:
    wait = max(1, seconds)
    text = f"Too many failed attempts to sign in. Try again in {wait} second{'s' if wait > 1 else ''}."
    return TooManyRequestsError(text, headers={"Retry-After": str(wait)})
