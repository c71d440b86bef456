"""When a policy fires, and what it promises of each run. Pure.

Several schedules that are due at one instant make one run, which keeps every one's promise: as long, as many and as locked as any of them says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from ..kit.store import Document
from .cron import FIELDS, cron_line, cron_problem
from .instants import following
from .model import known_zone

DEFAULT_RETAIN_DAYS = 7
_LOOKS_BACK = (600, 7200)
"""Seconds before a time in which its latest instant is looked for first: nearly always it is there, and long spans take long."""


@dataclass(frozen=True, slots=True)
class Promise:
    """How long what a run makes is kept."""

    retain_days: int = DEFAULT_RETAIN_DAYS
    num_always_retain: int = 0
    locked: bool = False

    def joined(self, other: Promise, /) -> Promise:
        """Return the promise that keeps both."""
        return Promise(
            max(self.retain_days, other.retain_days),
            max(self.num_always_retain, other.num_always_retain),
            self.locked or other.locked,
        )

    def document(self) -> Document:
        """Return it with its wire names."""
        return {"retainDays": self.retain_days, "numAlwaysRetain": self.num_always_retain, "locked": self.locked}


def promise_of(fields: Mapping[str, Any], /) -> Promise:
    """Return the promise of a schedule or a stored retention."""
    return Promise(fields.get("retainDays", DEFAULT_RETAIN_DAYS), fields.get("numAlwaysRetain", 0), bool(fields.get("locked")))


@dataclass(frozen=True, slots=True)
class Due:
    """An instant at which a run is expected, and its promise."""

    at: int
    promise: Promise


@dataclass(frozen=True, slots=True)
class Timetable:
    """The schedules of one policy in their zone."""

    zone: ZoneInfo
    lines: tuple[tuple[str, Promise], ...]
    jitter_seconds: int = 0
    policy_id: str = ""

    def next(self, after: float, /) -> Due | None:
        """Return the first instant after a time; None when there is none in this lifetime."""
        firsts = [(first, promise) for line, promise in self.lines if (first := next(following(line, self.zone, after=after), None))]
        return _joined(min(first for first, _ in firsts), firsts) if firsts else None

    def all(self, after: float, /) -> Iterator[Due]:
        """Yield the instants after a time, without end."""
        every = merge(*(_promised(line, self.zone, promise, after=after) for line, promise in self.lines), key=_AT)
        for at, firsts in groupby(every, key=_AT):
            yield _joined(at, firsts)

    def latest(self, *, after: float, until: float, seed: str = "") -> Due | None:
        """Return the latest instant of a span whose delay is over too; it keeps the promises of all instants that it stands for."""
        found = self._latest(after, until)
        if found is not None and found.at + self.delay(found.at, seed=seed) > until:
            return self._latest(after, found.at - 1)
        return found

    def _latest(self, after: float, until: float) -> Due | None:
        lasts = [(last, promise) for line, promise in self.lines if (last := _last(line, self.zone, after=after, until=until))]
        if not lasts:
            return None
        return Due(max(last for last, _ in lasts), reduce(Promise.joined, (promise for _, promise in lasts)))

    def delay(self, instant: int, /, *, seed: str) -> int:
        """Return by how many seconds a run starts later, the same for a definition each time: never past half the way to the next one."""
        if not self.jitter_seconds:
            return 0
        following_one = self.next(instant)
        half = (following_one.at - instant) // 2 if following_one else self.jitter_seconds
        return min(int.from_bytes(sha256(seed.encode()).digest()[:8]) % (self.jitter_seconds + 1), half)


_AT = itemgetter(0)


def _promised(line: str, zone: ZoneInfo, promise: Promise, *, after: float) -> Iterator[tuple[int, Promise]]:
    for at in following(line, zone, after=after):
        yield at, promise


def _joined(at: int, firsts: Iterable[tuple[int, Promise]]) -> Due:
    return Due(at, reduce(Promise.joined, (promise for first, promise in firsts if first == at)))


def _last(line: str, zone: ZoneInfo, *, after: float, until: float) -> int | None:
    for seconds in (*_LOOKS_BACK, until - after):
        last = None
        for instant in following(line, zone, after=max(after, until - seconds)):
            if instant > until:
                break
            last = instant
        if last is not None or until - seconds <= after:
            return last
    return None


def timetable_of(policy: Mapping[str, Any], /, *, jitter_seconds: int = 0) -> Timetable:
    """Return the timetable of a policy as it is stored; its own jitter goes before the installation's.

    Raises ValueError for one that an older server stored and did not judge, or whose zone this machine does not know.
    """
    lines = [line_of(schedule["schedule"]) for schedule in policy["schedules"]]
    zone = known_zone(policy.get("timezone") or "UTC")
    if problem := next((f'"{line}" is not a cron line: {problem}' for line in lines if (problem := cron_problem(line))), ""):
        raise ValueError(problem)
    own = policy.get("jitter_seconds")
    return Timetable(
        ZoneInfo(zone),
        tuple(zip(lines, map(promise_of, policy["schedules"]), strict=True)),
        jitter_seconds if own is None else own,
        str(policy.get("_id", "")),
    )


def line_of(times: Mapping[str, Any], /) -> str:
    """Return the cron line of a stored schedule: `cronSpec` wins over the five fields apart."""
    given: str | None = times.get("cronSpec")
    return cron_line([times.get(field) for field in FIELDS]) if given is None else given
