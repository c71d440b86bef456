"""Timetables: cron lines through changes of the clock, several schedules at once, delays. Judged by looking at every minute."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from cloudcasa_server.policy.instants import following
from cloudcasa_server.policy.preview import preview
from cloudcasa_server.policy.timetable import Due, Promise, timetable_of
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cron_reference import Cron, fires

CHANGES = [
    ("Europe/Berlin", "2027-03-26", "2027-03-30"),
    ("Europe/Berlin", "2027-10-29", "2027-11-02"),
    ("America/New_York", "2027-03-12", "2027-03-16"),
    ("America/New_York", "2027-11-05", "2027-11-09"),
    ("Australia/Lord_Howe", "2027-04-02", "2027-04-06"),
    ("Australia/Lord_Howe", "2027-10-01", "2027-10-05"),
    ("Africa/Cairo", "2027-04-28", "2027-05-02"),
    ("America/Havana", "2027-11-05", "2027-11-09"),
    ("Asia/Kolkata", "2027-03-26", "2027-03-28"),
]


def seconds(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def local(zone, *texts):
    return [int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) for text in texts]


def ours(line, zone, start, end):
    return list(takewhile(lambda at: at < end, following(line, ZoneInfo(zone), after=start)))


def some(highest, lowest=0):
    return st.frozensets(st.integers(lowest, highest), min_size=1, max_size=3)


CRONS = st.builds(
    Cron,
    minutes=some(59) | st.just(frozenset(range(0, 60, 15))),
    hours=st.none() | some(4) | some(23) | st.just(frozenset(range(0, 24, 2))) | st.just(frozenset(range(24))),
    days=st.none() | some(31, 1),
    weekdays=st.none() | some(6),
)


@pytest.mark.parametrize(("zone", "start", "end"), CHANGES)
@settings(max_examples=10, deadline=None)
@given(cron=CRONS)
def test_instants_around_a_change_of_the_clock_are_those_that_looking_at_every_minute_finds(zone, start, end, cron):
    span = (seconds(start), seconds(end))
    assert ours(cron.text, zone, *span) == list(fires(cron, zone=zone, start=span[0], end=span[1]))


def test_hourly_line_is_not_overstepped_by_a_change_of_half_an_hour():
    zone = "Australia/Lord_Howe"
    expected = local(zone, "2027-10-03T01:30", "2027-10-03T02:30", "2027-10-03T03:30")
    assert ours("30 * * * *", zone, *local(zone, "2027-10-03T01:00", "2027-10-03T04:00")) == expected


@pytest.mark.parametrize(("zone", "start", "end"), CHANGES)
@settings(max_examples=6, deadline=None)
@given(cron=CRONS, part=st.floats(0, 1))
def test_starting_anywhere_gives_the_same_instants(zone, start, end, cron, part):
    low, high = seconds(start), seconds(end)
    middle = low + part * (high - low)
    assert ours(cron.text, zone, middle, high) == [at for at in ours(cron.text, zone, low, high) if at > middle]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("30 2 * * *", ["2027-03-27T02:30", "2027-03-28T03:00", "2027-03-29T02:30"]),
        ("*/20 2 * * SUN", ["2027-03-28T03:00"]),
        ("0 */2 28 * *", [f"2027-03-28T{hour:02}:00" for hour in (0, 3, *range(4, 24, 2))]),
        ("0 0-23 28 3 *", [f"2027-03-28T{hour:02}:00" for hour in (0, 1, *range(3, 24))]),
    ],
    ids=["daily", "often in the gap", "every other hour", "hourly"],
)
def test_time_that_does_not_exist_runs_once_at_the_next_one_that_does(line, expected):
    assert ours(line, "Europe/Berlin", *local("Europe/Berlin", "2027-03-27T00:00", "2027-03-30T00:00")) == local("Europe/Berlin", *expected)


def test_time_that_exists_twice_runs_once_and_an_hourly_line_stays_hourly():
    start, first, end = local("Europe/Berlin", "2027-10-31T00:00", "2027-10-31T02:30", "2027-11-01T00:00")
    assert ours("30 2 * * *", "Europe/Berlin", start, end) == [first]
    hourly = ours("30 * * * *", "Europe/Berlin", start, end)
    assert [later - sooner for sooner, later in pairwise(hourly)] == [3600] * 24


def a_policy(*schedules, zone="UTC", **fields):
    parts = [
        {"retainDays": days, "numAlwaysRetain": count, "locked": locked, "schedule": {"cronSpec": line}}
        for line, days, count, locked in schedules
    ]
    return {"_id": "a" * 24, "timezone": zone, "schedules": parts, **fields}


DAILY, SUNDAYS = ("0 3 * * *", 30, 2, False), ("0 3 * * SUN", 7, 5, True)


def test_schedules_due_at_once_are_one_run_that_keeps_every_promise():
    table = timetable_of(a_policy(DAILY, SUNDAYS))
    saturday = seconds("2027-01-02T04:00")
    assert table.next(saturday) == Due(seconds("2027-01-03T03:00"), Promise(30, 5, locked=True))
    assert table.next(seconds("2027-01-03T03:00")) == Due(seconds("2027-01-04T03:00"), Promise(30, 2, locked=False))


def test_run_that_stands_for_missed_ones_keeps_the_promises_of_all():
    table = timetable_of(a_policy(("0 * * * *", 1, 0, False), ("0 3 * * *", 90, 1, True)))
    latest = table.latest(after=seconds("2027-01-03T02:30"), until=seconds("2027-01-03T06:10"))
    assert latest == Due(seconds("2027-01-03T06:00"), Promise(90, 1, locked=True))
    assert table.latest(after=seconds("2027-01-03T06:00"), until=seconds("2027-01-03T06:10")) is None


def test_delay_is_the_same_each_time_differs_by_definition_and_ends_before_the_next_run():
    table = timetable_of(a_policy(DAILY, jitter_seconds=3600))
    at = seconds("2027-01-03T03:00")
    delays = [table.delay(at, seed=f"{number:024x}") for number in range(200)]
    assert delays == [table.delay(at, seed=f"{number:024x}") for number in range(200)]
    assert (min(delays) >= 0, max(delays) <= 3600, len(set(delays)) > 150) == (True, True, True)
    often = timetable_of(a_policy(("*/10 * * * *", 1, 0, False), jitter_seconds=3600))
    assert {often.delay(at, seed=f"{number:024x}") <= 300 for number in range(50)} == {True}


def test_run_whose_delay_is_not_over_is_not_due_but_the_one_before_is():
    table = timetable_of(a_policy(("0 * * * *", 1, 0, False), jitter_seconds=1200))
    seed = next(f"{number:024x}" for number in range(100) if table.delay(0, seed=f"{number:024x}") > 600)
    span = {"after": seconds("2027-01-03T02:30"), "until": seconds("2027-01-03T05:10")}
    assert table.latest(**span, seed=seed) == Due(seconds("2027-01-03T04:00"), Promise(1, 0))


def test_own_jitter_of_a_policy_goes_before_that_of_the_installation():
    assert timetable_of(a_policy(DAILY), jitter_seconds=60).jitter_seconds == 60
    assert timetable_of(a_policy(DAILY, jitter_seconds=0), jitter_seconds=60).jitter_seconds == 0


def test_preview_shows_the_next_runs_and_what_the_change_of_the_clock_does():
    policy = a_policy(("30 2 * * *", 7, 0, False), zone="Europe/Berlin")
    shown = preview(policy, after=local("Europe/Berlin", "2027-03-27T12:00")[0], count=2)
    assert [run["local"] for run in shown["runs"]] == ["2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]
    assert [change["text"] for change in shown["dst"][:2]] == [
        "28 Mar 2027 02:30 does not exist in Europe/Berlin: runs at 03:00",
        "31 Oct 2027 02:30 happens twice in Europe/Berlin: runs once, the first time",
    ]
    fired = ours("30 2 * * *", "Europe/Berlin", seconds("2027-03-27"), seconds("2028-04-02"))
    assert {change["time"] for change in shown["dst"]} <= set(fired)


def test_policy_that_only_fires_rarely_is_previewed_as_far_as_it_goes():
    shown = preview(a_policy(("0 0 29 2 *", 7, 0, False)), after=seconds("2027-01-01"), count=2)
    assert [run["local"] for run in shown["runs"]] == ["2028-02-29T00:00:00+00:00", "2032-02-29T00:00:00+00:00"]
    assert shown["dst"] == []
