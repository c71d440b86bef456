"""What the scheduler does with a definition whose time has come. Pure: from what is recorded, the timetable and the time to a new record.

The record is `schedule` of a backup definition, hidden from clients:
  due_at      when the scheduler looks at it; absent when nothing is expected
  after       every instant until then is decided
  since       when it was last changed: what lies before is not of this timetable, also when a clock is set back
  ahead       until when another clock has decided, which was ahead of this one or is right while this one is behind
  expected    the next instant {at, retention}
  changed_at  since when it is being changed: it is not fired until `due_at`, since clients change a definition in several calls (rest-api.md 4.5)
  fire        what was decided and is to be done: [{at, retention, skip}]; done twice it has the effect of once
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from ..kit.store import Document, Update
from .timetable import Due, Promise, Timetable, promise_of

FIELD = "schedule"
MAX_SETTLES = 10
"""A definition that is changed all the time waits at most this many times `settle_seconds`."""
LATE_SECONDS = 120
REWIND_SECONDS = 3600
"""How far before a clock that was set back is looked for runs: what ran has its job, so nothing runs twice."""


def planned(backup: Document, /) -> Update | None:
    """Return the change of a definition that was stored before there was a scheduler: it looks at it at once. A migration."""
    return None if FIELD in backup else Update(set={FIELD: {"due_at": 0.0}})


def touched(record: Mapping[str, Any], /, *, now: float, settle_seconds: float) -> Document:
    """Return the record of a definition that a client changes: nothing fires until it has been left alone for a while."""
    if (since := record.get("changed_at")) is not None:
        return {**record, "due_at": min(now + settle_seconds, since + MAX_SETTLES * settle_seconds)}
    return {**record, "changed_at": now, "since": now, "after": now, "due_at": now + settle_seconds}


def rewound(now: float, /, *, seen: float) -> Document:
    """Return the changes to a record that is ahead of the clock, which was set back from a time that was seen.

    What is to come is expected again, and what was due just now. When the clock is at that time again, all is decided until then: so one that
    was behind for a while does not find years of missed runs.
    """
    return {f"{FIELD}.after": now - REWIND_SECONDS, f"{FIELD}.ahead": seen, f"{FIELD}.due_at": now}


@dataclass(frozen=True, slots=True)
class Bounds:
    """How late a run may be before it is reported instead."""

    missed_run_seconds: float


def decide(record: Mapping[str, Any], table: Timetable | None, /, *, now: float, seed: str, bounds: Bounds) -> Document:
    """Return the record after a look at a definition. Its time has come, so it has settled."""
    kept: Document = {key: record[key] for key in ("since", "ahead") if key in record}
    if table is None:
        return {"after": now, **kept}
    after = max(record.get("after", now), *(at for at in kept.values() if at <= now), 0.0)
    if kept.get("ahead", now + 1) <= now:
        del kept["ahead"]
    oldest = max(after, now - bounds.missed_run_seconds)
    first = table.next(after)
    fire = [_skipped(first, bounds)] if first is not None and first.at <= oldest else []
    left = _left_over(record, after=after, oldest=now - bounds.missed_run_seconds)
    run = table.latest(after=oldest, until=now, seed=seed)
    if run is not None or left is not None:
        fire.append(_fired(run, left, first=first, now=now))
    after = run.at if run else oldest
    following = table.next(after)
    expected: Document = {"expected": {"at": following.at, "retention": following.promise.document()}} if following else {}
    due: Document = {"due_at": following.at + table.delay(following.at, seed=seed)} if following else {}
    return {"after": after, **kept, **expected, **({"fire": fire, "due_at": now} if fire else due)}


def done(record: Mapping[str, Any], table: Timetable | None, /, *, seed: str) -> Document:
    """Return the record after what was decided is done."""
    rest = {key: value for key, value in record.items() if key not in {"fire", "due_at"}}
    expected = record.get("expected")
    if "changed_at" in record:
        return rest | {"due_at": record["due_at"]}
    if table is None or expected is None:
        return rest
    return rest | {"due_at": expected["at"] + table.delay(expected["at"], seed=seed)}


def _left_over(record: Mapping[str, Any], *, after: float, oldest: float) -> Due | None:
    """Return the run that was due before the definition was changed and had not been decided."""
    expected = record.get("expected")
    if "changed_at" not in record or expected is None or not oldest < expected["at"] <= after:
        return None
    return Due(expected["at"], promise_of(expected["retention"]))


def _fired(run: Due | None, left: Due | None, *, first: Due | None, now: float) -> Document:
    """Return one run for all that is due, under its latest instant."""
    dues = [due for due in (left, run) if due is not None]
    at, since = dues[-1].at, min(due.at for due in (*dues, *([first] if first and run else [])))
    fired: Document = {"at": at, "retention": reduce(Promise.joined, (due.promise for due in dues)).document()}
    if since < at:
        fired["since"] = since
    if now - at > LATE_SECONDS:
        fired["late_seconds"] = int(now - at)
    return fired


def _skipped(first: Due, bounds: Bounds) -> Document:
    hours = bounds.missed_run_seconds / 3600
    reason = f"No server started it at that time, and it is more than {hours:g} hours late by now. Run it yourself if you need it."
    return {"at": first.at, "retention": first.promise.document(), "skip": reason}
