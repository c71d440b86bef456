"""Waiting for a database that is not there yet: at start, since a cluster's database and server come up in any order."""

from __future__ import annotations

import structlog

from ..clock import Clock
from .port import Store, StoreUnavailableError

PAUSE_SECONDS = 1.0
REPORT_SECONDS = 10.0


async def wait_until_reachable(store: Store, *, clock: Clock, timeout_seconds: float) -> None:
    """Return when the database answers.

    Raises StoreUnavailableError at once when waiting will not mend it (a file without permission), and when the time is over.
    """
    log = structlog.get_logger(__name__)
    ends_at = clock.monotonic() + timeout_seconds
    told_at: float | None = None
    while True:
        try:
            await store.ping()
        except StoreUnavailableError as error:
            now = clock.monotonic()
            if error.is_lasting or now >= ends_at:
                raise
            if told_at is None or now - told_at >= REPORT_SECONDS:
                told_at = now
                log.warning("The database cannot be reached; waiting for it", reason=str(error), seconds_left=round(ends_at - now))
        else:
            if told_at is not None:
                log.info("The database is reached")
            return
        await clock.sleep(PAUSE_SECONDS)
