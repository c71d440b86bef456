"""When to try a channel again that failed. Pure."""

from __future__ import annotations

FIRST_SECONDS = 15.0
LONGEST_SECONDS = 1800.0


def next_try(failures: int, /) -> float:
    """Return how long to wait after so many failures in a row: twice as long each time, up to half an hour."""
    return min(FIRST_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_SECONDS)
