"""What must not be cut in the middle, though its task is cancelled: a request whose effect would not be known otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def unbroken(work: Coroutine[Any, Any, T], /) -> T:
    """Return what the work returns. When the task is cancelled, the work goes on to its end first, which has a deadline of its own."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
