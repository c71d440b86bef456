"""The time, as something that is handed in: so that tests decide what time it is. Everything else in the server asks a Clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """Return the time: aware, UTC."""

    def timestamp(self) -> int:
        """Return whole seconds since 1970 UTC, the form documents have."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards, for deadlines."""

    async def sleep(self, seconds: float, /) -> None:
        """Return after that many seconds."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)

    def timestamp(self) -> int:
        """Return whole seconds since 1970 UTC."""
        return int(time.time())

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return time.monotonic()

    async def sleep(self, seconds: float, /) -> None:
        """Return after that many seconds."""
        await asyncio.sleep(seconds)
