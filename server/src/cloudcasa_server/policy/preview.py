"""What a policy would do: its next runs, and what changes of the clock do to them. Pure; the scheduler goes by the same instants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

from pydantic import Field

from ..kit.rest import ShownModel
from ..kit.store import Document
from .instants import Transition, named_walls, transitions
from .model import PolicyTimes
from .timetable import Timetable, timetable_of

MAX_RUNS = 200
_YEAR_SECONDS = 366 * 86_400
_SHOWN_WALLS = 3


class PreviewRequest(PolicyTimes):
    """The body: a policy's zone and schedules, as they are or as they might be."""

    name: str | None = None
    """Read and of no effect, so that a policy can be sent as it is. So are `description` and `tags`."""
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    runs: Annotated[int, Field(ge=1, le=MAX_RUNS)] = 20
    """How many runs to show."""
    after: Annotated[int, Field(ge=0, le=4_102_444_800)] | None = None
    """From when on, in seconds since 1970. Default: now."""


class PreviewRun(ShownModel):
    """A run to come."""

    time: int
    """Seconds since 1970."""
    local: str
    """The same in the policy's zone, such as `2027-03-28T03:00:00+02:00`."""
    retainDays: int  # noqa: N815 -- the wire's name
    numAlwaysRetain: int  # noqa: N815
    locked: bool


class PreviewChange(ShownModel):
    """A local time that a schedule names and that a change of the clock leaves out or repeats."""

    time: int
    """When it runs, in seconds since 1970."""
    local: str
    """The local time that is named."""
    schedule: int
    """Which of the schedules, counted from 0."""
    rule: str
    """`missing` or `repeated`."""
    text: str


class PreviewShown(ShownModel):
    """The answer."""

    runs: list[PreviewRun]
    dst: list[PreviewChange]
    """Within a year."""


def preview(policy: Document, /, *, after: int, count: int) -> Document:
    """Return the next runs of a policy and the remarks on changes of the clock within a year."""
    table = timetable_of(policy)
    return {"runs": list(_runs(table, after=after, count=count)), "dst": list(_remarks(table, after=after))}


def _runs(table: Timetable, *, after: int, count: int) -> Iterator[Document]:
    for due in islice(table.all(after), count):
        yield {"time": due.at, "local": datetime.fromtimestamp(due.at, table.zone).isoformat(), **due.promise.document()}


def _remarks(table: Timetable, *, after: int) -> Iterator[Document]:
    for change in transitions(table.zone, start=after, end=after + _YEAR_SECONDS):
        for number, (line, _) in enumerate(table.lines):
            start, end = change.walls
            for shown, wall in enumerate(named_walls(line, start=start, end=end)):
                if shown == _SHOWN_WALLS:
                    break
                yield _remark(table, change, number, wall)


def _remark(table: Timetable, change: Transition, number: int, wall: datetime) -> dict[str, Any]:
    day = f"{wall.day} {wall:%b %Y %H:%M}"
    if change.is_gap:
        at, rule = change.at, "missing"
        text = f"{day} does not exist in {table.zone.key}: runs at {datetime.fromtimestamp(at, table.zone):%H:%M}"
    else:
        offset = change.before
        at, rule = int((wall - datetime(1970, 1, 1)).total_seconds()) - offset, "repeated"  # noqa: DTZ001 -- a wall
        text = f"{day} happens twice in {table.zone.key}: runs once, the first time"
    return {"time": at, "local": wall.isoformat(), "schedule": number, "rule": rule, "text": text}
