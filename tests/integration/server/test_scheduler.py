"""Runs by schedule: what fires, when, once; what waits and says for what; what was missed. On a clock that the tests move."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from cloudcasa_contract.frames import Outcome, Result
from cloudcasa_server.backup.service import Schedule, open_run
from cloudcasa_server.kit.store import Update
from cloudcasa_server.policy.timetable import Promise
from cloudcasa_server.recovery_point.model import Place, build_point

from tests.support.clock import FakeClock
from tests.support.scheduled import a_replica, an_object_store
from tests.support.scripted_agent import a_backup
from tests.support.server import a_store_body

HOUR, DAY = 3600, 86_400
START = datetime(2027, 1, 4, 12, 0, 0, tzinfo=UTC)  # a Monday
THREE = int(datetime(2027, 1, 5, 3, 0, 0, tzinfo=UTC).timestamp())


@pytest.fixture
async def bench(tmp_path):
    async with a_replica(tmp_path / "data", clock=FakeClock(START)) as replica:
        yield replica


async def scheduled(bench, line="0 3 * * *", **fields):
    backup = await bench.a_backup(await bench.a_cluster(), await bench.a_policy(line), **fields)
    await bench.settle()
    return backup


async def shown_next(bench, backup):
    return (await bench.get(f"kubebackups/{backup['_id']}"))["status"].get("next_run_time")


async def test_backup_runs_when_its_policy_says_and_shows_when_next(bench):
    policy = await bench.a_policy(
        schedules=[{"retainDays": 9, "numAlwaysRetain": 2, "locked": True, "schedule": {"cronSpec": "0 3 * * *"}}]
    )
    backup = await bench.a_backup(await bench.a_cluster(), policy)
    assert backup["status"]["next_run_time"] == THREE
    await bench.settle()
    await bench.pass_until(THREE - 1)
    assert await bench.fired(backup) == []
    await bench.pass_time(1)
    await bench.pass_time(1)
    (job,) = await bench.jobs(backup)
    assert (job["type"], job["scheduled_time"], job["policy_id"], job["state"]) == ("K8S_SNAP", THREE, policy["_id"], "PENDING")
    assert job["retention"] == {"retainDays": 9, "numAlwaysRetain": 2, "locked": True}
    shown = (await bench.get(f"kubebackups/{backup['_id']}"))["status"]
    assert (shown["next_run_time"], shown["last_job_run_time"]) == (THREE + DAY, THREE)
    assert "schedule" not in await bench.get(f"kubebackups/{backup['_id']}")


@pytest.mark.parametrize(("locked", "status"), [(True, 422), (False, 204)], ids=["locked", "not locked"])
async def test_recovery_point_of_a_locked_schedule_is_not_deleted_before_it_expires(bench, locked, status):
    store = await an_object_store(bench)
    schedules = [{"retainDays": 9, "locked": locked, "schedule": {"cronSpec": "0 3 * * *"}}]
    backup = await bench.a_backup(await bench.a_cluster(), await bench.a_policy(schedules=schedules))
    await bench.settle()
    await bench.pass_until(THREE)
    await bench.run_jobs()
    (job,) = await bench.jobs(backup)
    place = Place(await bench.documents("objectstores").get(store["_id"]), prefix="p", endpoint="")
    points = bench.documents("backupinstances")
    point = points.new(build_point(job, a_backup(completed_at=bench.clock.now()), place=place, message="", now=bench.now))
    await points.insert(point)
    assert (await bench.get(f"backupinstances/{point['_id']}"))["status"]["locked"] is locked
    await bench.send("DELETE", f"backupinstances/{point['_id']}", status=status)


@pytest.mark.parametrize("fields", [{"trigger_type": "ADHOC"}, {"pause": True}], ids=["adhoc", "paused"])
async def test_what_does_not_run_by_itself_never_fires_and_shows_no_next_run(bench, fields):
    backup = await scheduled(bench, **fields)
    await bench.pass_until(THREE + 2 * DAY)
    assert (await bench.jobs(backup), await shown_next(bench, backup)) == ([], None)


async def test_scheduled_backup_without_a_policy_never_fires(bench):
    backup = await bench.a_backup(await bench.a_cluster(), None, trigger_type="SCHEDULED")
    await bench.settle()
    await bench.pass_until(THREE + DAY)
    assert (await bench.jobs(backup), await shown_next(bench, backup)) == ([], None)


async def test_pause_holds_at_once_and_what_was_due_meanwhile_is_not_made_up(bench):
    backup = await scheduled(bench)
    await bench.pass_until(THREE - 2)
    await bench.send("PATCH", f"kubebackups/{backup['_id']}", {"pause": True})
    assert await shown_next(bench, backup) is None
    await bench.pass_until(THREE + HOUR)
    await bench.send("PATCH", f"kubebackups/{backup['_id']}", {"pause": False})
    assert await shown_next(bench, backup) == THREE + DAY
    await bench.settle()
    await bench.pass_until(THREE + DAY)
    assert await bench.fired(backup) == [THREE + DAY]


async def with_copy(bench, **fields):
    cluster, policy = await bench.a_cluster(), await bench.a_policy()
    backup = await bench.a_backup(cluster, policy)
    offload = await bench.make("kubeoffloads", backupdef=backup["_id"], policy=policy["_id"], run_backup=True, **fields)
    body = {"name": backup["name"], "cluster": cluster["_id"], "source": {"all_namespaces": True}}
    await bench.send("PUT", f"kubebackups/{backup['_id']}", body | {"copydef": offload["_id"]})
    return backup, offload, body


async def test_copy_runs_by_its_own_policy_only(bench):
    backup, offload, _ = await with_copy(bench)
    await bench.settle()
    await bench.pass_until(THREE)
    (job,) = await bench.jobs(backup)
    assert (job["type"], job["offloaddef"], job["backupdef"]) == ("K8S_COPY", offload["_id"], backup["_id"])
    await bench.send("PATCH", f"kubeoffloads/{offload['_id']}", {"pause": True})
    await bench.settle()
    await bench.pass_until(THREE + DAY)
    assert (len(await bench.jobs(backup)), await shown_next(bench, backup)) == (1, None)


@pytest.mark.parametrize("gap", [1, 40])
async def test_definition_changed_in_two_calls_is_not_fired_between_and_loses_nothing(bench, gap):
    """As Terraform does it (rest-api.md 4.5): without copydef, some requests later with it, and 03:00 lies between."""
    backup, offload, body = await with_copy(bench)
    await bench.settle()
    own = await bench.a_policy()
    await bench.pass_until(THREE - gap)
    await bench.send("PUT", f"kubebackups/{backup['_id']}", body | {"policy": own["_id"]})
    await bench.pass_time(gap)
    await bench.pass_time(5)
    assert await bench.jobs(backup) == []
    await bench.send("PUT", f"kubeoffloads/{offload['_id']}", {key: offload[key] for key in ("name", "backupdef", "policy", "run_backup")})
    await bench.send("PUT", f"kubebackups/{backup['_id']}", body | {"copydef": offload["_id"]})
    await bench.settle()
    (job,) = await bench.jobs(backup)
    assert (job["type"], job["scheduled_time"]) == ("K8S_COPY", THREE)


async def test_copy_that_nothing_points_to_is_inactive(bench):
    backup, _, body = await with_copy(bench)
    await bench.send("PUT", f"kubebackups/{backup['_id']}", body)
    await bench.settle()
    await bench.pass_until(THREE + DAY)
    assert await bench.jobs(backup) == []


async def test_definition_that_is_changed_all_the_time_is_fired_in_the_end(bench):
    backup = await scheduled(bench)
    await bench.pass_until(THREE - 5)
    for _ in range(40):
        await bench.send("PATCH", f"kubebackups/{backup['_id']}", {"description": str(bench.now)})
        await bench.pass_time(20)
    assert await bench.fired(backup) == [THREE]


async def test_changed_policy_counts_from_now_on_for_all_its_definitions(bench):
    cluster, policy = await bench.a_cluster(), await bench.a_policy()
    backups = [await bench.a_backup(cluster, policy) for _ in range(3)]
    await bench.settle()
    body = {"name": policy["name"], "schedules": [{"retainDays": 1, "schedule": {"cronSpec": "0 11,14 * * *"}}]}
    await bench.send("PUT", f"policies/{policy['_id']}", body)
    await bench.pass_time(1)
    two = int(START.timestamp()) + 2 * HOUR
    assert [await shown_next(bench, backup) for backup in backups] == [two] * 3
    await bench.pass_until(two)
    await bench.pass_until(THREE)
    assert [await bench.fired(backup) for backup in backups] == [[two]] * 3


async def test_definition_that_was_judged_while_its_policy_was_being_changed_goes_by_the_new_one(bench):
    policy, hourly = await bench.a_policy("0 0 1 1 *"), await bench.a_policy("0 * * * *")
    backup = await bench.a_backup(await bench.a_cluster(), policy)
    schedules = bench.scheduler.schedules
    await schedules.touch_policy(policy["_id"], is_done=False)
    await bench.settle()
    assert await shown_next(bench, backup) > THREE + 300 * DAY
    await bench.store.collection("policies").update(policy["_id"], Update(set={"schedules": hourly["schedules"]}))
    await schedules.touch_policy(policy["_id"], is_done=True)
    await bench.pass_time(1)
    assert await shown_next(bench, backup) == int(START.timestamp()) + HOUR
    await bench.pass_until(int(START.timestamp()) + HOUR)
    assert await bench.fired(backup) == [int(START.timestamp()) + HOUR]


async def test_run_that_waits_stands_for_the_next_one_too(bench):
    backup = await scheduled(bench, "0 * * * *")
    first = await shown_next(bench, backup)
    await bench.pass_until(first)
    await bench.pass_until(first + HOUR)
    (job,) = await bench.jobs(backup)
    assert job["activity"] == ["It also stands for the run that was due at 2027-01-04 14:00 UTC."]


async def test_run_that_stands_for_the_next_one_does_what_its_definition_says_by_then(bench):
    cluster = await bench.a_cluster()
    backup = await bench.a_backup(cluster, await bench.a_policy("0 * * * *"))
    await bench.settle()
    first = await shown_next(bench, backup)
    await bench.set_state(cluster, "PENDING")
    await bench.pass_until(first)
    await bench.run_jobs()
    store = await an_object_store(bench)
    fields = {"backupdef": backup["_id"], "policy": backup["policy"], "offload_provider": {"user_objectstore": store["_id"]}}
    offload = await bench.make("kubeoffloads", run_backup=True, **fields)
    source = {"namespaces": ["shop", "new"]}
    await bench.send("PATCH", f"kubebackups/{backup['_id']}", {"copydef": offload["_id"], "source": source | {"all_namespaces": False}})
    await bench.pass_until(first + HOUR)
    (job,) = await bench.jobs(backup)
    assert (job["type"], job["display_type"], job["offloaddef"]) == ("K8S_COPY", "K8S_COPY", offload["_id"])
    assert (job["script"]["data"]["source"]["namespaces"], job["touched_namespaces"]) == (["shop", "new"], ["shop", "new"])
    await bench.send("PATCH", f"kubebackups/{backup['_id']}", {"copydef": None})
    await bench.pass_until(first + 2 * HOUR)
    (job,) = await bench.jobs(backup)
    assert (job["type"], "offloaddef" in job) == ("K8S_SNAP", False)


async def test_run_that_is_just_being_looked_at_is_asked_again_before_it_stands_for_another(bench):
    backup = await scheduled(bench, "0 * * * *")
    first = await shown_next(bench, backup)
    await bench.pass_until(first)
    jobs = bench.store.collection("jobs")
    (job,) = await bench.jobs(backup)
    await jobs.update(job["_id"], Update(set={"script.lease.owner": "a runner"}))
    await bench.pass_until(first + HOUR)
    assert [len(job["activity"]) for job in await bench.jobs(backup)] == [0]
    await jobs.update(job["_id"], Update(set={"script.lease.owner": ""}))
    await bench.pass_time(1)
    assert [len(job["activity"]) for job in await bench.jobs(backup)] == [1]


async def test_policy_that_cannot_be_read_holds_up_no_other(bench):
    """As one that was stored by a server that did not judge lines yet, or whose zone this machine does not know."""
    cluster = await bench.a_cluster()
    zone, line, good = [await bench.a_policy() for _ in range(3)]
    backups = [await bench.a_backup(cluster, policy) for policy in (zone, line, good)]
    policies = bench.store.collection("policies")
    await policies.update(zone["_id"], Update(set={"timezone": "Mars/Olympus"}))
    await policies.update(line["_id"], Update(set={"schedules": [{"schedule": {"cronSpec": "99 3 * * *"}}]}))
    await bench.settle()
    await bench.pass_until(THREE)
    assert [await bench.fired(backup) for backup in backups] == [[], [], [THREE]]
    changed = await bench.send("PATCH", f"kubebackups/{backups[1]['_id']}", {"description": "still to be changed"})
    assert "next_run_time" not in changed["status"]
    for policy in (zone, line):
        await policies.update(policy["_id"], Update(set={key: good[key] for key in ("timezone", "schedules")}))
    await bench.pass_until(THREE + DAY)
    await bench.pass_time(HOUR)
    assert [(await bench.fired(backup))[-1] for backup in backups[:2]] == [THREE + DAY] * 2


async def test_run_still_going_when_the_next_is_due_is_skipped_and_says_so(bench):
    backup = await scheduled(bench, "0 * * * *")
    await an_object_store(bench)
    first = await shown_next(bench, backup)
    await bench.pass_until(first)
    await bench.run_jobs()
    await bench.pass_until(first + HOUR)
    await bench.run_jobs()
    going, skipped = await bench.jobs(backup)
    assert (going["state"], skipped["state"]) == ("RUNNING", "SKIPPED")
    assert skipped["message"].endswith("is still going on.")


async def test_hour_without_a_server_is_made_up_once_with_the_strongest_promise(bench):
    schedules = [
        {"retainDays": 1, "schedule": {"cronSpec": "*/10 * * * *"}},
        {"retainDays": 30, "locked": True, "schedule": {"cronSpec": "0 3 * * *"}},
    ]
    backup = await bench.a_backup(await bench.a_cluster(), await bench.a_policy(schedules=schedules))
    await bench.settle()
    await bench.pass_until(THREE + 35 * 60)
    first, last = await bench.jobs(backup)
    assert (first["state"], last["scheduled_time"], last["state"]) == ("SKIPPED", THREE + 30 * 60, "PENDING")
    assert last["retention"] == {"retainDays": 30, "numAlwaysRetain": 0, "locked": True}
    assert "started 300 seconds late. It stands for all runs that were due since" in last["activity"][0]


async def test_run_that_is_too_late_is_reported_once_and_alerts(bench):
    backup = await scheduled(bench)
    await bench.pass_until(THREE + 13 * HOUR)
    await bench.pass_time(1)
    (job,) = await bench.jobs(backup)
    assert (job["state"], job["scheduled_time"]) == ("SKIPPED", THREE)
    assert job["message"].startswith("The run that was due at 2027-01-05 03:00 UTC was missed. No server started it at that time")
    await bench.app.state.parts.worker.alerts.sweep()
    assert [alert["type"] for alert in (await bench.get("alerts"))["_items"]] == ["BACKUP_SKIPPED"]
    assert await shown_next(bench, backup) == THREE + DAY


async def test_run_waits_for_its_cluster_and_goes_on_when_it_is_back(bench):
    cluster = await bench.a_cluster()
    await an_object_store(bench)
    backup = await bench.a_backup(cluster, await bench.a_policy())
    await bench.settle()
    await bench.set_state(cluster, "PENDING")
    await bench.pass_until(THREE)
    await bench.run_jobs()
    (job,) = await bench.jobs(backup)
    assert (job["state"], job["message"].startswith("Waits for its cluster.")) == ("PENDING", True)
    assert (await bench.get(f"kubebackups/{backup['_id']}"))["status"]["jobs"][0]["message"] == job["message"]
    await bench.pass_time(5 * HOUR)
    await bench.set_state(cluster, "ACTIVE")
    await bench.run_jobs()
    assert [job["state"] for job in await bench.jobs(backup)] == ["RUNNING"]


async def test_claim_that_came_while_the_run_waited_is_looked_for_in_its_backup_too(bench):
    cluster = await bench.a_cluster()
    await an_object_store(bench)
    backup = await bench.a_backup(cluster, await bench.a_policy())
    await bench.settle()
    await bench.set_state(cluster, "PENDING")
    await bench.pass_until(THREE)
    await bench.run_jobs()
    await bench.pass_time(HOUR)
    claims = bench.documents("kubepvclaims")
    await claims.insert(claims.new({"cluster_id": cluster["_id"], "namespace_name": "web", "name": "new", "phase": "Bound"}))
    await bench.pass_time(HOUR)
    await bench.set_state(cluster, "ACTIVE")
    await bench.run_jobs()
    await bench.set_state(cluster, "PENDING")
    jobs = bench.app.state.parts.worker.runner.jobs
    outbox = bench.app.state.parts.worker.outbox
    (job,) = await bench.jobs(backup)
    command = await outbox.find_by_key(f"{job['_id']}:send")
    result = Result(message_id="m", command_id=command["_id"], outcome=Outcome.SUCCEEDED, output=a_backup())
    await outbox.finish(result, cluster_id=cluster["_id"])
    await jobs.wake(job["_id"])
    await bench.run_jobs()
    (job,) = await bench.jobs(backup)
    assert (job["state"], "volume web/new" in job["message"]) == ("PARTIAL", True)


async def test_run_whose_cluster_stays_away_is_reported(bench):
    cluster = await bench.a_cluster()
    backup = await bench.a_backup(cluster, await bench.a_policy())
    await bench.settle()
    await bench.set_state(cluster, "PENDING")
    await bench.pass_until(THREE)
    await bench.run_jobs()
    await bench.pass_time(13 * HOUR)
    await bench.run_jobs()
    (job,) = await bench.jobs(backup)
    assert (job["state"], job["message"].endswith("It was waited for, for 12 hours.")) == ("SKIPPED", True)


async def test_run_whose_cluster_stays_away_is_reported_although_windows_close_meanwhile(bench):
    cluster = await bench.a_cluster(configuration={"backup_windows": [{"start": "01:00", "end": "05:00"}]})
    backup = await bench.a_backup(cluster, await bench.a_policy())
    await bench.settle()
    await bench.set_state(cluster, "PENDING")
    await bench.pass_until(THREE)
    for _ in range(25):
        await bench.run_jobs()
        await bench.pass_time(HOUR)
    first, *_ = await bench.jobs(backup)
    assert (first["state"], first["message"].endswith("It was waited for, for 12 hours.")) == ("SKIPPED", True)


async def test_runs_over_the_limit_wait_in_fair_order_and_survive_a_restart(bench, tmp_path):
    cluster = await bench.a_cluster(configuration={"max_concurrent_runs": 2})
    await an_object_store(bench)
    policy = await bench.a_policy()
    backups = [await bench.a_backup(cluster, policy) for _ in range(5)]
    await bench.settle()
    await bench.pass_until(THREE)
    await bench.run_jobs()

    async def states():
        jobs = await bench.store.collection("jobs").find(sort=(("start_time", 1), ("_id", 1)))
        return [job["state"] for job in jobs]

    assert await states() == ["RUNNING"] * 2 + ["PENDING"] * 3
    waiting = [job for backup in backups for job in await bench.jobs(backup) if job["state"] == "PENDING"]
    assert {job["message"].split(".")[0] for job in waiting} == {f'Waits for its turn: the cluster "{cluster["name"]}" takes 2 at once'}
    async with a_replica(tmp_path / "data", clock=bench.clock, store=bench.store) as other:
        running = await bench.store.collection("jobs").find()
        first = next(job for job in running if job["state"] == "RUNNING")
        jobs = other.app.state.parts.worker.runner.jobs
        await bench.store.collection("jobs").update(first["_id"], Update(set={"script.lease": {"owner": "t", "until": 0.0}}))
        await jobs.record(first, {"state": "COMPLETED", "script.is_open": False, "end_time": bench.now}, owner="t")
        await other.run_jobs()
        assert sorted(await states()) == ["COMPLETED", "PENDING", "PENDING", "RUNNING", "RUNNING"]


async def test_limit_of_a_store_holds_over_clusters(bench):
    store = await an_object_store(bench, max_concurrent_runs=1)
    policy = await bench.a_policy()
    backups = [await bench.a_backup(await bench.a_cluster(), policy) for _ in range(2)]
    await bench.settle()
    await bench.pass_until(THREE)
    await bench.run_jobs()
    states = {job["state"]: job["message"] for backup in backups for job in await bench.jobs(backup)}
    assert states == {"RUNNING": "", "PENDING": f'Waits for its turn: the object store "{store["name"]}" takes 1 at once.'}


async def test_run_waits_for_the_window_of_its_cluster_but_one_that_somebody_started_does_not(bench):
    window = {"start": "22:00", "end": "05:00", "timezone": "Europe/Berlin"}
    cluster = await bench.a_cluster(configuration={"backup_windows": [window]})
    await an_object_store(bench)
    backup = await bench.a_backup(cluster, await bench.a_policy("0 18 * * *"))
    await bench.settle()
    await bench.pass_until(await shown_next(bench, backup))
    await bench.run_jobs()
    (job,) = await bench.jobs(backup)
    opens = f'Waits for the backup window of the cluster "{cluster["name"]}", which opens at 2027-01-04 21:00 UTC.'
    assert (job["state"], job["message"]) == ("PENDING", opens)
    other = await bench.a_backup(cluster, None, trigger_type="ADHOC")
    await bench.send("POST", f"kubebackups/{other['_id']}/action/run", {})
    await bench.run_jobs()
    assert [job["state"] for job in await bench.jobs(other)] == ["RUNNING"]
    await bench.pass_time(3 * HOUR)
    await bench.run_jobs()
    assert [job["state"] for job in await bench.jobs(backup)] == ["RUNNING"]


@pytest.mark.parametrize(
    "configuration",
    [{"max_concurrent_runs": -1}, {"max_concurrent_runs": "2"}, {"backup_windows": [{"start": "25:00", "end": "05:00"}]}],
    ids=["negative", "text", "no time"],
)
async def test_limits_that_mean_nothing_are_refused(bench, configuration):
    await bench.send("POST", "kubeclusters", {"name": "bad", "configuration": configuration}, status=422)
    await bench.a_cluster(configuration={"anything": {"else": True}})


async def test_limits_stay_when_a_client_that_does_not_know_them_replaces_the_rest(bench):
    """As Terraform's provider does at each apply."""
    policy = await bench.a_policy(jitter_seconds=60)
    path, body = f"policies/{policy['_id']}", {key: policy[key] for key in ("name", "timezone", "schedules")}
    assert (await bench.send("PUT", path, body))["jitter_seconds"] == 60
    assert (await bench.send("PUT", path, body | {"jitter_seconds": None}))["jitter_seconds"] is None
    limits = {"max_concurrent_runs": 2, "backup_windows": [{"start": "22:00", "end": "06:00"}]}
    store = await an_object_store(bench, **limits)
    path, body = f"objectstores/{store['_id']}", a_store_body(store["name"])
    changed = await bench.send("PUT", path, body | {"description": "new"})
    assert {key: changed[key] for key in limits} == limits
    assert (await bench.send("PUT", path, body | {"backup_windows": []}))["backup_windows"] == []


async def test_two_that_think_they_lead_make_one_run(bench, tmp_path):
    backups = [await scheduled(bench, "0 3 * * *") for _ in range(4)]
    async with a_replica(tmp_path / "data", clock=bench.clock, store=bench.store) as other:
        other.scheduler.lease.name = "another"
        bench.clock.tick(THREE - bench.now)
        await asyncio.gather(*(one.scheduler.look() for one in (bench, other, bench, other)))
    assert [await bench.fired(backup) for backup in backups] == [[THREE]] * 4


async def test_other_replica_takes_over_when_the_leader_is_gone(bench, tmp_path):
    backup = await scheduled(bench)
    async with a_replica(tmp_path / "data", clock=bench.clock, store=bench.store) as other:
        await bench.pass_until(THREE - 1)
        await other.pass_time(1)
        assert await bench.fired(backup) == []
        await other.pass_time(60)
        assert await bench.fired(backup) == [THREE]


@pytest.mark.parametrize("ahead", [DAY, 400 * DAY])
async def test_clock_that_was_ahead_and_is_set_back_loses_and_doubles_nothing(bench, ahead):
    cluster = await bench.a_cluster()
    backup = await bench.a_backup(cluster, await bench.a_policy())
    await bench.settle()
    true = bench.now
    await bench.pass_time(ahead)
    bench.clock.tick(true - bench.now)
    for day in range(3):
        await bench.end_runs(cluster)
        await bench.pass_until(THREE + day * DAY)
        await bench.pass_time(5)
    runs = [job["scheduled_time"] for job in await bench.jobs(backup) if job["state"] != "SKIPPED"]
    assert sorted(at for at in runs if at <= THREE + 2 * DAY) == [THREE, THREE + DAY, THREE + 2 * DAY]


async def test_clock_that_is_behind_for_a_while_does_not_find_years_of_missed_runs(bench):
    cluster = await bench.a_cluster()
    backup = await bench.a_backup(cluster, await bench.a_policy())
    await bench.settle()
    await bench.pass_until(THREE)
    await bench.end_runs(cluster)
    await bench.pass_time(-5000 * DAY + 5 * HOUR)
    await bench.pass_time(HOUR)
    await bench.pass_time(5000 * DAY)
    assert (await bench.fired(backup), await shown_next(bench, backup)) == ([THREE], THREE + DAY)


@pytest.mark.parametrize(("change", "word"), [("DELETE", "deleted"), ("PATCH", "paused")])
async def test_run_that_waits_ends_when_nobody_wants_it_any_more(bench, change, word):
    cluster = await bench.a_cluster()
    backup = await bench.a_backup(cluster, await bench.a_policy())
    await bench.settle()
    await bench.set_state(cluster, "PENDING")
    await bench.pass_until(THREE)
    await bench.run_jobs()
    if change == "DELETE":
        await bench.send("DELETE", f"kubebackups/{backup['_id']}", status=204)
    else:
        await bench.send("PATCH", f"kubebackups/{backup['_id']}", {"pause": True})
    await bench.pass_time(HOUR)
    await bench.run_jobs()
    (job,) = await bench.jobs(backup)
    assert (job["state"], word in job["message"]) == ("CANCELED", True)


async def test_decision_that_was_stored_and_not_done_is_done_by_the_next_server(bench):
    backup = await scheduled(bench)
    fire = [{"at": THREE, "retention": {"retainDays": 7, "numAlwaysRetain": 0, "locked": False}}]
    record = {"after": THREE, "expected": {"at": THREE + DAY, "retention": {}}, "fire": fire, "due_at": THREE}
    await bench.store.collection("kubebackups").update(backup["_id"], Update(set={"schedule": record}))
    await bench.pass_until(THREE + 10)
    await bench.pass_time(10)
    assert (await bench.fired(backup), await shown_next(bench, backup)) == ([THREE], THREE + DAY)


async def test_what_a_locked_schedule_made_is_kept_as_promised_and_cannot_be_deleted(server):
    await server.a_store()
    cluster = await server.a_cluster()
    policy = await server.make("policies", name="gold", schedules=[{"schedule": {"cronSpec": "0 3 * * *"}}])
    async with (await server.an_agent(cluster)).connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"], policy=policy["_id"])
        schedule = Schedule("a" * 24, THREE, policy["_id"], Promise(30, 2, locked=True))
        await open_run(server.parts.worker.scheduler.jobs, backup, cluster=cluster, schedule=schedule)
        await server.job(backupdef=backup["_id"], state="COMPLETED")
    (point,) = (await server.get("backupinstances"))["_items"]
    assert point["retention"] == {"retainDays": 30, "numAlwaysRetain": 2, "locked": True}
    assert (point["status"]["locked"], point["expiry_timestamp"] - point["end_time"]) == (True, 30 * DAY)
    refused = await server.api.delete(f"/api/v1/backupinstances/{point['_id']}")
    assert (refused.status_code, "locked until it expires" in refused.json()["_error"]["message"]) == (422, True)
