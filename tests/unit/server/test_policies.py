"""Policies: schedules are judged when they are stored, and echoed as they were sent (rest-api.md 2.3)."""

from __future__ import annotations

from itertools import count

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

_numbers = count()


def a_policy_body(schedule=None, **changes):
    schedules = [{"retainDays": 7, "schedule": schedule or {"cronSpec": "0 3 * * *"}}]
    return {"name": f"policy-{next(_numbers)}", "schedules": schedules} | changes


@pytest.mark.parametrize(
    "line",
    [
        "30 0 * * MON,FRI",
        "0 3 */1 * *",
        "0 3 */7 * *",
        "*/15 8-18 * * mon-fri",
        "0 0 1 JAN,jul *",
        "0  0 * * sun",
        "0 0 29 2 *",
        "0 0 * * 7",
    ],
)
async def test_cron_lines_are_accepted_and_stored_verbatim(shared, line):
    made = await shared.make("policies", **a_policy_body({"cronSpec": line}), timezone="Europe/Vienna")
    shown = await shared.get(f"policies/{made['_id']}")
    assert shown["schedules"] == [{"retainDays": 7, "schedule": {"cronSpec": line}}]
    assert (shown["timezone"], shown["status"]) == ("Europe/Vienna", {"suspended": False})


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("61 * * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 0 31 2 *", "day-of-month"),
        ("0 0 * FOO *", "month"),
        ("0 0 * * someday", "day-of-week"),
        ("*/0 * * * *", "minute"),
        ("0 0 * *", "4 fields"),
        ("* * * * * *", "6 fields"),
        ("@daily", "1 fields"),
        ("", "0 fields"),
        ("1," * 400 + "1 * * * *", "longer"),
        ("\u0663 0 * * *", "minute"),
    ],
    ids=["minute", "hour", "never", "month", "weekday", "step", "four", "six", "nickname", "empty", "long", "digits"],
)
async def test_cron_line_that_never_fires_is_refused_by_its_field(shared, line, word):
    body = a_policy_body({"cronSpec": line})
    response = await shared.post("policies", **body)
    answer = response.json()
    assert (response.status_code, word in answer["_error"]["message"]) == (422, True), answer
    assert list(answer["_issues"]) == ["schedules"]
    assert (await shared.get("policies", where=f'{{"name":"{body["name"]}"}}'))["_items"] == []


@pytest.mark.parametrize(
    "schedule", [{"minute": "30", "hour": "1"}, {"minute": "0", "hour": "*/6", "dayOfMonth": "*", "month": "*", "dayOfWeek": "MON"}]
)
async def test_schedule_in_parts_is_judged_and_echoed(shared, schedule):
    made = await shared.make("policies", **a_policy_body(schedule))
    assert made["schedules"][0]["schedule"] == schedule
    assert (await shared.post("policies", **a_policy_body(schedule | {"hour": "25"}))).status_code == 422


async def test_cron_line_wins_over_parts(shared):
    schedule = {"cronSpec": "0 3 * * *", "minute": "99"}
    assert (await shared.make("policies", **a_policy_body(schedule)))["schedules"][0]["schedule"] == schedule


@pytest.mark.parametrize(
    "changes",
    [
        {"timezone": "Mars/Olympus"},
        {"timezone": ""},
        {"timezone": "../../etc/passwd"},
        {"schedules": []},
        {"schedules": [{"retainDays": 0, "schedule": {"cronSpec": "0 3 * * *"}}]},
        {"schedules": [{"retainDays": 7.0, "schedule": {"cronSpec": "0 3 * * *"}}]},
        {"schedules": [{"retainDays": 10**9, "schedule": {"cronSpec": "0 3 * * *"}}]},
        {"schedules": [{"retainDays": 7, "numAlwaysRetain": 31, "schedule": {"cronSpec": "0 3 * * *"}}]},
        {"schedules": [{"retainDays": 7, "schedule": {}}]},
        {"schedules": [{"retainDays": 7, "schedule": {"cronSpec": "0 3 * * *"}}] * 101},
    ],
    ids=["zone", "no zone", "path", "none", "no days", "float", "for ever", "kept", "when", "many"],
)
async def test_policy_that_makes_no_sense_is_refused(shared, changes):
    response = await shared.post("policies", **(a_policy_body() | changes))
    assert (response.status_code, next(iter(response.json()["_issues"]))) == (422, next(iter(changes)))


async def test_policy_of_a_live_definition_is_not_deleted_and_one_of_an_orphaned_copy_is(shared):
    policy = await shared.make("policies", **a_policy_body())
    cluster = await shared.a_cluster("policy-user")
    backup = await shared.a_backup(cluster["_id"], "policy-user")
    offload = await shared.make("kubeoffloads", name="policy-user", backupdef=backup["_id"], policy=policy["_id"])
    body = {"name": "policy-user", "cluster": cluster["_id"], "source": {"namespaces": ["web"]}}
    path = f"/api/v1/kubebackups/{backup['_id']}"
    linked = await shared.api.put(path, json=body | {"copydef": offload["_id"]}, headers={"If-Match": backup["_etag"]})
    assert linked.json()["copy_policy"] == policy["_id"]
    refused = await shared.api.delete(f"/api/v1/policies/{policy['_id']}")
    assert (refused.status_code, 'backup "policy-user"' in refused.json()["_error"]["message"]) == (422, True)
    cut = await shared.api.put(path, json=body, headers={"If-Match": linked.json()["_etag"]})
    assert "copy_policy" not in cut.json()
    assert (await shared.api.delete(f"/api/v1/policies/{policy['_id']}")).status_code == 204
    left = await shared.get(f"kubeoffloads/{offload['_id']}")
    assert left["policy"] == policy["_id"]


async def test_preview_takes_a_policy_as_it_was_read_and_stores_nothing(shared):
    made = await shared.make("policies", **a_policy_body({"cronSpec": "30 2 * * *"}), timezone="Europe/Vienna")
    before = (await shared.get("policies"))["_meta"]["total"]
    shown = await shared.act("policies/action/preview", **{key: value for key, value in made.items() if key != "cc_user_email"}, runs=3)
    assert [(run["local"][11:16], run["retainDays"], run["locked"]) for run in shown["runs"]] == [("02:30", 7, False)] * 3
    assert {change["rule"] for change in shown["dst"]} == {"missing", "repeated"}
    assert (await shared.get("policies"))["_meta"]["total"] == before


@pytest.mark.parametrize(
    ("change", "field"),
    [({"timezone": "Mars/Base"}, "timezone"), ({"schedules": []}, "schedules"), ({"runs": 0}, "runs"), ({"runs": 10_000}, "runs")],
    ids=["zone", "none", "no runs", "too many"],
)
async def test_preview_refuses_what_would_be_refused_when_stored(shared, change, field):
    response = await shared.post("policies/action/preview", **(a_policy_body() | change))
    assert (response.status_code, list(response.json()["_issues"])) == (422, [field])
