"""A clock that tests move."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 23, 7, 4, 31, tzinfo=UTC)


class FakeClock:
    """A Clock that stands still until told otherwise; whoever sleeps wakes when its time has come."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._now = start
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def timestamp(self) -> int:
        return int(self._now.timestamp())

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    async def sleep(self, seconds: float, /) -> None:
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + timedelta(seconds=seconds), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move on, wake who slept until then, and let them run."""
        self.tick(seconds)
        for until, future in tuple(self._sleepers):
            if until <= self._now:
                self._sleepers.remove((until, future))
                if not future.done():
                    future.set_result(None)
        for _ in range(10):
            await asyncio.sleep(0)

    def tick(self, seconds: float) -> None:
        """Move on without waking anyone."""
        self._now += timedelta(seconds=seconds)
