"""The instants at which a cron line fires in a time zone, through changes of its clock. Pure. Decided in docs/adr/0028-runs-by-expectation.md.

A line that takes every hour goes by elapsed time: it fires whenever the clock shows a matching minute, so an hourly run stays hourly. Every other
line names local times: one that does not exist fires once, at the first instant after the gap; one that exists twice fires once, the first time.
cronsim reads the line; it is asked for walls (local times without a zone), because its own rules differ for lines such as `30 */2 * * *`, and
because it oversteps a change of half an hour (Lord Howe).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import floor
from zoneinfo import ZoneInfo

from cronsim import CronSim

_ANY_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 -- a wall, not an instant
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- a wall
_SECOND = timedelta(seconds=1)
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a zone's clock: at an instant, from one offset to another, in seconds."""

    at: int
    before: int
    after: int

    @property
    def is_gap(self) -> bool:
        """Tell whether local times are left out; otherwise some exist twice."""
        return self.after > self.before

    @property
    def walls(self) -> tuple[datetime, datetime]:
        """Return the local times that do not exist, or exist twice: from the first to before the second."""
        first, second = sorted((self.before, self.after))
        return _wall(self.at + first), _wall(self.at + second)


def following(line: str, zone: ZoneInfo, /, *, after: float) -> Iterator[int]:
    """Yield the instants after a time, in their order and each once."""
    return _elapsed(line, zone, floor(after)) if _takes_every_hour(line) else _named(line, zone, floor(after))


def _named(line: str, zone: ZoneInfo, after: int) -> Iterator[int]:
    last = after
    for wall in CronSim(line, _wall(after + _offset(zone, after))):
        instant = instant_of(wall, zone)
        if instant > last:
            last = instant
            yield instant


def _elapsed(line: str, zone: ZoneInfo, after: int) -> Iterator[int]:
    """Yield the instants of a line by a clock that is as it is, then from its next change on as it is then, and so on."""
    reached, shown, offset = after, after, _offset(zone, after)
    while True:
        for wall in CronSim(line, _wall(shown + offset)):
            instant = _epoch(wall) - offset
            change = next((one for one in transitions(zone, start=reached, end=instant + 1) if one.at <= instant), None)
            if change is not None:
                reached, shown, offset = change.at, change.at - 1, change.after
                break
            yield instant
            reached = instant
        else:
            return


def instant_of(wall: datetime, zone: ZoneInfo, /) -> int:
    """Return the first instant at which the zone's clock shows a local time; of one that does not exist, the first after the gap."""
    local = wall.replace(tzinfo=zone, fold=0)
    instant = floor(local.timestamp())
    if datetime.fromtimestamp(instant, zone).replace(tzinfo=None, fold=0) == wall:
        return instant
    after = local.replace(fold=1).utcoffset()
    return _first(zone, offset=_seconds(after), low=floor(local.replace(fold=1).timestamp()), high=instant)


def transitions(zone: ZoneInfo, /, *, start: int, end: int) -> Iterator[Transition]:
    """Yield the changes of a zone's clock in a span of time."""
    for day in range(start, end, _DAY_SECONDS):
        before, after = _offset(zone, day), _offset(zone, day + _DAY_SECONDS)
        if before != after:
            yield Transition(_first(zone, offset=after, low=day, high=day + _DAY_SECONDS), before, after)


def named_walls(line: str, /, *, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the local times between two that a line names; none of a line that goes by elapsed time."""
    if _takes_every_hour(line):
        return
    for wall in CronSim(line, start - _SECOND):
        if wall >= end:
            return
        yield wall


@lru_cache(maxsize=4096)
def _takes_every_hour(line: str) -> bool:
    return CronSim(line, _ANY_DAY).hours == set(range(24))


def _first(zone: ZoneInfo, *, offset: int, low: int, high: int) -> int:
    """Return the first instant after `low`, at most `high`, that has this offset, which lasts until `high`."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(zone, middle) == offset else (middle, high)
    return high


def _offset(zone: ZoneInfo, instant: int) -> int:
    return _seconds(datetime.fromtimestamp(instant, zone).utcoffset())


def _seconds(offset: timedelta | None) -> int:
    return int((offset or timedelta()).total_seconds())


def _wall(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


def _epoch(wall: datetime) -> int:
    return int((wall - _EPOCH).total_seconds())
