"""When cron lines fire, found by looking at every minute: slow, and built otherwise than what it judges (neither cronsim nor its arithmetic)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

_MINUTE = timedelta(minutes=1)
_ALL_HOURS = frozenset(range(24))


@dataclass(frozen=True)
class Cron:
    """A cron line as sets; None is `*`. Days of the week count from Sunday, 0."""

    minutes: frozenset[int]
    hours: frozenset[int] | None = None
    days: frozenset[int] | None = None
    weekdays: frozenset[int] | None = None

    @property
    def text(self) -> str:
        fields = (self.minutes, self.hours, self.days, None, self.weekdays)
        return " ".join("*" if field is None else ",".join(str(number) for number in sorted(field)) for field in fields)

    @property
    def is_by_elapsed_time(self) -> bool:
        return self.hours is None or self.hours == _ALL_HOURS

    def matches(self, wall: datetime) -> bool:
        if wall.minute not in self.minutes or (self.hours is not None and wall.hour not in self.hours):
            return False
        is_day = self.days is not None and wall.day in self.days
        is_weekday = self.weekdays is not None and wall.isoweekday() % 7 in self.weekdays
        if self.days is not None and self.weekdays is not None:
            return is_day or is_weekday
        return is_day or is_weekday or (self.days is None and self.weekdays is None)


@cache
def minutes_of(zone: str, start: int, end: int) -> list[tuple[int, datetime]]:
    """Return every minute of a span: the instant and what the zone's clock shows."""
    info = ZoneInfo(zone)
    return [(at, datetime.fromtimestamp(at, info).replace(tzinfo=None, fold=0)) for at in range(start - start % 60, end, 60)]


def fires(cron: Cron, *, zone: str, start: int, end: int) -> Iterator[int]:
    """Yield the instants after `start`: of each local time the first minute that shows it or, if none does, a later one."""
    minutes = minutes_of(zone, start, end)
    reached = minutes[0][1] - _MINUTE
    for at, wall in minutes:
        is_due = cron.matches(wall) if cron.is_by_elapsed_time else any(cron.matches(passed) for passed in _walls(reached, wall))
        reached = max(reached, wall)
        if is_due and at > start:
            yield at


def _walls(reached: datetime, wall: datetime) -> Iterator[datetime]:
    """Yield the local times that are reached only now."""
    while reached < wall:
        reached += _MINUTE
        yield reached
