"""Windows in which scheduled runs may start, and limits, of a cluster or an object store: our own addition. Pure.

On a cluster they are keys of its `configuration`, on an object store fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from ..kit.rest import ResourceModel
from .instants import instant_of
from .model import known_zone

Day = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
DAYS: tuple[Day, ...] = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MAX_WINDOWS = 20
MAX_RUNS = 1000
_LOOKS_AHEAD_DAYS = 9
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Window(ResourceModel):
    """A span of a day, which may go past midnight: `{"days": ["MON"], "start": "22:00", "end": "06:00"}` ends on Tuesday."""

    days: list[Day] = Field(default_factory=lambda: list(DAYS), min_length=1)
    """Days on which it opens. Default: every day."""
    start: Clock
    end: Clock
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        return known_zone(value)

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.start == self.end:
            message = f"A window from {self.start} to {self.end} has no length. Leave windows out to allow runs at any time."
            raise ValueError(message)
        return self


class Limits(ResourceModel):
    """How much may go on at once, and when runs may start."""

    max_concurrent_runs: Annotated[int, Field(ge=0, le=MAX_RUNS)] | None = None
    """Runs of backups at once; 0 means any number. None: the installation's setting."""
    backup_windows: list[Window] = Field(default_factory=list, max_length=MAX_WINDOWS)
    """When scheduled runs may start; empty means any time."""


def opens_at(windows: Sequence[dict[str, Any]], /, *, now: float) -> int | None:
    """Return when a window opens next; None when one is open, or there is none."""
    if not windows:
        return None
    spans = [span for window in windows for span in _spans(window, now=now)]
    if any(start <= now < end for start, end in spans):
        return None
    return min(start for start, _ in spans if start > now)


def _spans(window: dict[str, Any], *, now: float) -> Iterator[tuple[int, int]]:
    zone = ZoneInfo(window.get("timezone") or "UTC")
    start, end = time.fromisoformat(window["start"]), time.fromisoformat(window["end"])
    today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
    for number in range(-2, _LOOKS_AHEAD_DAYS):
        day = today + timedelta(days=number)
        if DAYS[day.weekday()] in (window.get("days") or DAYS):
            yield _instant(day, start, zone), _instant(day + timedelta(days=end <= start), end, zone)


def _instant(day: date, at: time, zone: ZoneInfo) -> int:
    return instant_of(datetime.combine(day, at), zone)
