"""One leader among replicas: a lease in the store, taken and renewed by compare-and-set. It spares work; what must not be done twice needs more.

The lease also remembers the latest time that a leader saw, so that a clock that was set back is noticed by whoever leads next.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_hex

from .clock import Clock
from .store import Collection, Compare, Document, DuplicateKeyError, Or, Store, Update, eq

COLLECTION = "leases"
_MAX_AHEAD = 2
"""A lease that ends later than this many of its lengths from now was taken by a clock that was ahead: it is free."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that is held."""

    seconds_back: float
    """By how much the clock is behind what a leader saw before; 0 when it is not, or `believe_clock` was called since."""


@dataclass
class Lease:
    """The right of one replica to do something."""

    store: Store
    clock: Clock
    name: str
    seconds: float
    owner: str = field(default_factory=lambda: token_hex(8))

    @property
    def _id(self) -> str:
        return sha256(self.name.encode()).hexdigest()[:24]

    @property
    def _leases(self) -> Collection:
        return self.store.collection(COLLECTION)

    async def hold(self) -> Held | None:
        """Take or renew the lease; None when another replica has it."""
        now = self.clock.now().timestamp()
        mine = {"owner": self.owner, "until": now + self.seconds}
        before = await self._leases.get(self._id)
        if before is None:
            with suppress(DuplicateKeyError):
                await self._leases.insert({"_id": self._id, "name": self.name, "seen_at": now, **mine})
                return Held(0.0)
            return None
        seen = max(now, before["seen_at"])
        if before["owner"] == self.owner and before["until"] - now > self.seconds * 2 / 3 and now == seen:
            return Held(0.0)
        return Held(seen - now) if await self._take({**mine, "seen_at": seen}, now=now) else None

    async def believe_clock(self) -> None:
        """Go by the clock as it is now: what follows from its being set back is done."""
        now = self.clock.now().timestamp()
        await self._leases.update(self._id, Update(set={"seen_at": now}), expected=eq("owner", self.owner))

    async def _take(self, mine: Document, *, now: float) -> bool:
        too_far = Compare("until", "gt", now + _MAX_AHEAD * self.seconds)
        free = Or((eq("owner", self.owner), Compare("until", "lte", now), too_far))
        return await self._leases.update(self._id, Update(set=mine), expected=free) is not None

    async def release(self) -> None:
        """Let another replica have it at once."""
        await self._leases.update(self._id, Update(set={"until": 0.0}), expected=eq("owner", self.owner))
