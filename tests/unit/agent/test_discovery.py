"""Whether Velero can know every kind: the rule that decides about starting it anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cloudcasa_agent.velero.discovery import is_known, newest_birth, started_at
from cloudcasa_agent.velero.idle import is_unhurt

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def ago(**units):
    return NOW - timedelta(**units)


def stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def a_definition(*, created, name="wishes.shop.example", edited=None):
    fields = [{"time": stamp(edited), "manager": "cainjector"}] if edited else []
    return {"metadata": {"name": name, "creationTimestamp": stamp(created), "managedFields": fields}}


def a_service(*, since, group="route.example", status="True"):
    conditions = [{"type": "Available", "status": status, "lastTransitionTime": stamp(since)}]
    return {"metadata": {"name": f"v1.{group}"}, "spec": {"group": group, "service": {"name": "x"}}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("changed", "started", "known"),
    [
        pytest.param(ago(minutes=1), ago(hours=1), False, id="younger than its knowledge"),
        pytest.param(ago(minutes=6), ago(hours=1), True, id="older than its period"),
        pytest.param(ago(minutes=2), ago(minutes=1), True, id="started since"),
        pytest.param(ago(minutes=1), ago(seconds=55), False, id="started within the clocks' skew"),
        pytest.param(ago(minutes=1), None, True, id="not running: it will read them as it starts"),
    ],
)
def test_change_is_known(changed, started, known):
    assert is_known(changed, started_at=started, now=NOW) is known


def test_edit_of_a_definition_is_no_new_kind():
    edited = a_definition(created=ago(days=3), edited=ago(seconds=10))
    assert newest_birth([edited, a_definition(created=ago(days=2))], services=(), groups=()) == ago(days=2)


def test_own_definitions_of_velero_and_none_at_all_change_nothing():
    assert newest_birth([a_definition(created=NOW, name="backups.velero.io")], services=(), groups=()) is None
    assert newest_birth([], services=(), groups=()) is None


@pytest.mark.parametrize(
    ("service", "groups", "born"),
    [
        pytest.param(a_service(since=ago(minutes=1)), {"route.example"}, ago(minutes=1), id="serves what is backed up"),
        pytest.param(a_service(since=ago(minutes=1), group="metrics.k8s.io"), {"route.example"}, None, id="serves metrics"),
        pytest.param(a_service(since=ago(minutes=1), status="False"), {"route.example"}, None, id="does not answer"),
    ],
)
def test_aggregated_api_counts_from_when_it_answers(service, groups, born):
    assert newest_birth([], services=[service], groups=groups) == born


def test_start_is_that_of_the_oldest_running_server():
    pods = [
        {"status": {"containerStatuses": [{"state": {"running": {"startedAt": stamp(start)}}}]}} for start in (ago(hours=2), ago(hours=1))
    ]
    assert started_at([*pods, {"status": {"containerStatuses": [{"state": {"waiting": {}}}]}}]) == ago(hours=2)
    assert started_at([]) is None


@pytest.mark.parametrize(
    ("phase", "unhurt"),
    [
        ("New", False),
        ("Queued", False),
        ("ReadyToStart", False),
        ("InProgress", False),
        ("Finalizing", False),
        ("WaitingForPluginOperations", True),
        ("WaitingForPluginOperationsPartiallyFailed", True),
        ("Deleting", True),
        ("Failed", True),
        ("SomethingOf119", False),
    ],
)
def test_restart_leaves_a_run_as_it_is(phase, unhurt):
    assert is_unhurt(phase) is unhurt
