"""Which recovery points may go: the rules, over points that hypothesis makes up."""

from __future__ import annotations

from collections import Counter

import pytest
from cloudcasa_server.recovery_point.retention import Reason, fates, is_good, is_locked
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_000_000
DAY = 86_400


def a_point(number, *, kind="COPY", age=10, days=1, minimum=0, locked=False, complete=True, **fields):
    start = NOW - age * DAY
    return {
        "_id": f"{number:024x}",
        "name": f"point-{number}",
        "type": kind,
        "start_time": start,
        "expiry_timestamp": start + days * DAY,
        "retention": {"retainDays": days, "numAlwaysRetain": minimum, "locked": locked},
        "status": {"locked": locked, "complete": complete},
        **fields,
    }


def kept(points, **options):
    return {fate.point["name"]: fate.reason for fate in fates(points, now=NOW, **options) if fate.reason}


def gone(points, **options):
    return [fate.point["name"] for fate in fates(points, now=options.pop("now", NOW), **options) if fate.reason is None]


KINDS = ("COPY", "SNAPSHOT")


@st.composite
def many_points(draw, kinds=KINDS):
    return [
        a_point(
            number,
            kind=draw(st.sampled_from(kinds)),
            age=draw(st.integers(0, 20)),
            days=draw(st.integers(1, 12)),
            minimum=draw(st.integers(0, 4)),
            locked=draw(st.booleans()),
            complete=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 14)))
    ]


def swept(points, *, now):
    return [fate.point for fate in fates(points, now=now) if fate.reason is not None]


@given(many_points())
def test_locked_and_unexpired_points_stay(points):
    for fate in fates(points, now=NOW):
        if is_locked(fate.point, now=NOW) or fate.point["expiry_timestamp"] > NOW:
            assert fate.reason in {Reason.LOCKED, Reason.NOT_EXPIRED}


@given(many_points(), st.integers(NOW, NOW + 30 * DAY))
def test_what_goes_leaves_as_many_newer_points_as_it_was_promised(points, now):
    left = swept(points, now=now)
    for point in points:
        if point not in left:
            newer = [
                other
                for other in left
                if other["start_time"] >= point["start_time"] and (point["type"] != "COPY" or other["type"] == "COPY")
            ]
            assert len(newer) >= point["retention"]["numAlwaysRetain"]


@given(many_points(), st.lists(st.integers(0, 5 * DAY), max_size=6))
def test_minimum_that_all_points_promise_is_never_undercut_however_time_goes_on(points, steps):
    minimum = min((point["retention"]["numAlwaysRetain"] for point in points), default=0)
    left, now = points, NOW
    for step in [*steps, 100 * DAY]:
        now += step
        left = swept(left, now=now)
    assert len(left) >= min(minimum, len(points))


@given(many_points(), st.integers(NOW, NOW + 30 * DAY))
def test_newest_good_point_never_goes(points, now):
    good = [point for point in sorted(points, key=lambda each: (each["start_time"], each["_id"])) if is_good(point)]
    copies = [point for point in good if point["type"] == "COPY"]
    left = swept(points, now=now)
    assert all(newest in left for newest in (*good[-1:], *copies[-1:]))


@given(many_points(), st.integers(NOW, NOW + 30 * DAY))
def test_second_look_at_the_same_time_finds_nothing_more(points, now):
    once = swept(points, now=now)
    assert swept(once, now=now) == once


@given(many_points(), st.lists(st.integers(NOW, NOW + 30 * DAY), min_size=1, max_size=5))
def test_how_often_one_looks_decides_nothing(points, times):
    left = points
    for now in sorted(times):
        left = swept(left, now=now)
    assert left == swept(points, now=max(times))


@given(many_points(), st.integers(NOW, NOW + 30 * DAY), st.integers(0, 30 * DAY))
def test_time_only_lets_more_go(points, now, later):
    assert set(gone(points, now=now)) <= set(gone(points, now=now + later))


@given(many_points(KINDS[:1]), many_points(KINDS[:1]))
def test_further_points_take_the_place_of_older_ones_and_hold_nothing_longer(points, more):
    newer = [point | {"_id": f"f{number:023x}", "name": f"more-{number}", "start_time": NOW + number} for number, point in enumerate(more)]
    before = Counter(gone(points))
    assert before - Counter(gone([*points, *newer])) == Counter()


@given(many_points())
def test_preview_says_when_each_point_goes(points):
    said = {fate.point["_id"]: fate.goes_at for fate in fates(points, now=NOW)}
    for point in points:
        at = said[point["_id"]]
        assert at is None or point in swept(points, now=at - 1)
        assert (point in swept(points, now=NOW + 1000 * DAY)) == (at is None)


def test_newest_points_of_the_minimum_stay_beyond_their_expiry():
    points = [a_point(number, age=30 - number, minimum=2) for number in range(5)]
    assert kept(points) == {"point-4": Reason.MINIMUM, "point-3": Reason.MINIMUM}


def test_last_good_point_stays_behind_newer_ones_that_are_not():
    points = [a_point(1, age=9), a_point(2, age=8), a_point(3, age=7, complete=False), a_point(4, age=6, complete=False)]
    assert kept(points) == {"point-2": Reason.LAST_GOOD}
    assert kept(points, keep_last_good=False) == {}


def test_copy_stands_for_a_snapshot_and_no_snapshot_for_a_copy():
    old_snapshot, new_copy = a_point(1, kind="SNAPSHOT", age=9), a_point(2, age=8)
    old_copy, new_snapshot = a_point(3, age=9), a_point(4, kind="SNAPSHOT", age=8)
    assert set(kept([old_snapshot, new_copy])) == {"point-2"}
    assert set(kept([old_copy, new_snapshot])) == {"point-3", "point-4"}


def test_points_of_a_schedule_without_minimum_do_not_use_up_that_of_another():
    monthly = [a_point(number, age=40 - number, minimum=2) for number in range(3)]
    hourly = [a_point(number, age=20 - number) for number in range(10, 14)]
    assert set(kept([*monthly, *hourly])) == {"point-2", "point-1", "point-13"}


def test_point_that_a_job_uses_stays_until_it_ends():
    points = [a_point(1, age=9), a_point(2, age=8)]
    assert kept(points, in_use={points[0]["_id"]}) == {"point-1": Reason.IN_USE, "point-2": Reason.LAST_GOOD}


def test_point_without_an_expiry_stays():
    point = a_point(1)
    del point["expiry_timestamp"]
    assert kept([point, a_point(2, age=1)]) == {"point-1": Reason.NO_EXPIRY, "point-2": Reason.LAST_GOOD}


@pytest.mark.parametrize(
    ("message", "is_it"),
    [("Backup successful", True), ("Backup finished in part: volume web/data failed.", False), ("", False)],
    ids=["whole", "in part", "unknown"],
)
def test_point_of_before_that_was_noted_is_judged_by_its_message(message, is_it):
    assert is_good(a_point(1) | {"status": {}, "message": message}) == is_it
