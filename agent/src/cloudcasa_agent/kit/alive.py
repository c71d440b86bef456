"""Liveness without a port: the event loop touches a file, and `cloudcasa-agent healthy` looks at its age.

It says that the process turns, not that the server is reachable: a pod must not be restarted since its server is away.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

_TOUCH_SECONDS = 5.0
_STALE_SECONDS = 60.0


async def touch_alive(path: Path) -> None:
    """Touch the file for ever."""
    while True:
        await asyncio.to_thread(path.touch)
        await asyncio.sleep(_TOUCH_SECONDS)


def is_alive(path: Path) -> bool:
    """Tell whether the file was touched lately."""
    try:
        return time.time() - path.stat().st_mtime < _STALE_SECONDS
    except FileNotFoundError:
        return False
