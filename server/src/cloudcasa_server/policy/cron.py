"""Cron lines, judged by the library that will run them. Pure. Decided in docs/adr/0020-cron-lines-by-cronsim.md.

A line that is accepted here fires some day: `31 February` is refused when it is stored, not found out by missing backups.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from cronsim import CronSim, CronSimError

FIELDS = ("minute", "hour", "dayOfMonth", "month", "dayOfWeek")
MAX_CHARACTERS = 256
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def cron_line(parts: Sequence[str | None], /) -> str:
    """Return the line of the five fields; a missing one means any."""
    return " ".join((part or "*").strip() or "*" for part in parts)


@lru_cache(maxsize=4096)
def cron_problem(line: str, /) -> str:
    """Return why this is not a cron line that fires some day, as the rest of a sentence; empty when it is one."""
    if len(line) > MAX_CHARACTERS:
        return f"it is longer than {MAX_CHARACTERS} characters"
    if len(line.split()) != len(FIELDS):
        return f"it has {len(line.split())} fields, not five"
    try:
        next(CronSim(line, _ANY_DAY))
    except CronSimError as e:
        return f"{str(e)[:1].lower()}{str(e)[1:]}"
    except StopIteration:
        return "it never fires"
    return ""
