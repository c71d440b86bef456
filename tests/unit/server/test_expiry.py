"""Expiry on a clock that tests move: what goes, what waits, what is tried again. The rules themselves: test_retention_rules.py."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from cloudcasa_contract.commands import Problem
from cloudcasa_server.kit.store import Update, eq
from cloudcasa_server.recovery_point import expiry, room
from cloudcasa_server.recovery_point.deletion import LONGEST_RETRY_SECONDS, retry_seconds

from tests.support.clock import FakeClock
from tests.support.kept import DAY, a_point, answer_deletions, deletions, points_of, sweep, sweep_through
from tests.support.scheduled import a_replica

REFUSED = Problem(slug="delete-failed", text="The bucket refuses to delete.")


@pytest.fixture
async def replica(tmp_path):
    async with a_replica(tmp_path, clock=FakeClock()) as one:
        yield one


@pytest.fixture
async def cluster(replica):
    return await replica.a_cluster()


@pytest.fixture
async def backup(replica, cluster):
    return await replica.a_backup(cluster, None)


async def some_points(replica, backup, *, number=3, **fields):
    """Make points an hour apart and let them expire; the newest one is kept as the last good one."""
    made = []
    for _ in range(number):
        made.append(await a_point(replica, backup, **fields))
        replica.clock.tick(3600)
    replica.clock.tick(2 * DAY)
    return made


async def test_expired_points_are_deleted_by_their_agent_and_the_last_good_one_stays(replica, backup, cluster):
    *old, newest = await some_points(replica, backup)
    await sweep(replica)
    assert await points_of(replica) == {**{point["name"]: "DELETING" for point in old}, newest["name"]: "READY"}
    asked = await replica.store.collection("commands").find(eq("kind", "backup.delete"))
    assert {command["payload"]["backup_name"] for command in asked} == {point["velero"]["backup_name"] for point in old}
    assert all("not_before" in command["payload"] for command in asked), "the agent judges by its own clock too"
    await answer_deletions(replica)
    assert await points_of(replica) == {newest["name"]: "READY"}
    assert {job["state"] for job in await deletions(replica)} == {"COMPLETED"}
    assert (await replica.get(f"kubeclusters/{cluster['_id']}"))["status"]["num_recovery_points"] == 1


async def test_nothing_goes_before_its_time(replica, backup):
    points = [await a_point(replica, backup, days=2) for _ in range(3)]
    replica.clock.tick(2 * DAY - 1)
    await sweep_through(replica)
    assert len(await points_of(replica)) == 3
    replica.clock.tick(1)
    await sweep_through(replica)
    assert list(await points_of(replica)) == [max(points, key=lambda point: point["_id"])["name"]]


async def test_minimum_stays_until_newer_points_take_its_place(replica, backup):
    old = await some_points(replica, backup, minimum=2)
    await sweep_through(replica)
    assert list(await points_of(replica)) == [point["name"] for point in old[-2:]]
    newer = await a_point(replica, backup, minimum=2)
    replica.clock.tick(expiry.KEPT_SECONDS)
    await sweep_through(replica)
    assert list(await points_of(replica)) == [old[-1]["name"], newer["name"]]


async def test_locked_point_stays_until_it_expires_and_then_goes(replica, backup):
    locked = await a_point(replica, backup, days=5, locked=True)
    await some_points(replica, backup, number=2)
    await sweep_through(replica)
    assert locked["name"] in await points_of(replica)
    answer = await replica.api.delete(f"/api/v1/backupinstances/{locked['_id']}")
    assert answer.status_code == 422
    assert "locked until it expires" in answer.text
    replica.clock.tick(5 * DAY)
    await sweep_through(replica)
    assert locked["name"] not in await points_of(replica)


@pytest.mark.parametrize(("installation", "definition", "left"), [(True, None, 1), (False, None, 0), (True, False, 0), (False, True, 1)])
async def test_last_good_point_stays_unless_told_otherwise(tmp_path, installation, definition, left):
    async with a_replica(tmp_path, clock=FakeClock(), keep_last_good=installation) as replica:
        told = {} if definition is None else {"keep_last_good": definition}
        backup = await replica.a_backup(await replica.a_cluster(), None, **told)
        await some_points(replica, backup)
        await sweep_through(replica)
        assert len(await points_of(replica)) == left


async def test_last_good_point_outlives_its_definition(replica, backup):
    await some_points(replica, backup)
    await replica.send("DELETE", f"kubebackups/{backup['_id']}", status=204)
    await sweep_through(replica)
    assert len(await points_of(replica)) == 1


async def test_point_that_a_restore_reads_waits_for_its_end(replica, backup):
    first, *_ = await some_points(replica, backup)
    job = {"type": "RESTORE", "backup_inst": first["_id"], "start_time": replica.now, "state": "RUNNING", "script": {"is_open": True}}
    documents = replica.documents("jobs")
    restore = await documents.insert(documents.new(job | {"cluster": backup["cluster"]}))
    await sweep(replica)
    assert (await points_of(replica))[first["name"]] == "READY"
    await documents.set(restore["_id"], {"script.is_open": False})
    replica.clock.tick(expiry.USED_SECONDS)
    await sweep(replica)
    assert (await points_of(replica))[first["name"]] == "DELETING"


async def test_restore_that_begins_while_its_point_is_marked_keeps_it(replica, backup, monkeypatch):
    first, *_ = await some_points(replica, backup)
    sweeper = replica.app.state.parts.worker.expiry
    mark = type(sweeper.deletions).mark

    async def mark_and_restore(self, point, **fields):
        marked = await mark(self, point, **fields)
        if point["_id"] == first["_id"]:
            job = {"type": "RESTORE", "backup_inst": first["_id"], "state": "PENDING", "script": {"is_open": True}}
            await replica.documents("jobs").insert(replica.documents("jobs").new(job))
        return marked

    monkeypatch.setattr(type(sweeper.deletions), "mark", mark_and_restore)
    await sweeper.sweep()
    assert (await points_of(replica))[first["name"]] == "READY"
    assert first["_id"] not in {job["backup_inst"] for job in await deletions(replica)}


async def test_points_of_a_cluster_that_is_away_wait_without_jobs(replica, backup, cluster):
    await some_points(replica, backup)
    await replica.set_state(cluster, "PENDING")
    for _ in range(20):
        await sweep(replica)
        replica.clock.tick(300)
    assert await deletions(replica) == []
    await replica.set_state(cluster, "ACTIVE")
    replica.clock.tick(room.AWAY_SECONDS)
    await sweep_through(replica)
    assert len(await points_of(replica)) == 1


async def test_points_of_a_deleted_cluster_are_left_where_they_are(replica, backup, cluster):
    await some_points(replica, backup)
    await replica.send("DELETE", f"kubeclusters/{cluster['_id']}", status=204)
    for _ in range(5):
        await sweep(replica)
        replica.clock.tick(DAY)
    assert await deletions(replica) == []
    assert set((await points_of(replica)).values()) == {"READY"}


async def test_many_points_go_a_few_at_a_time(replica, backup):
    await some_points(replica, backup, number=20)
    await sweep(replica)
    assert list((await points_of(replica)).values()).count("DELETING") == room.AT_ONCE
    await sweep(replica)
    assert list((await points_of(replica)).values()).count("DELETING") == room.AT_ONCE
    await sweep_through(replica)
    assert len(await points_of(replica)) == 1


async def test_failed_deletion_says_why_and_is_tried_again_until_it_works(replica, backup):
    first, _ = await some_points(replica, backup, number=2)
    await sweep(replica)
    await answer_deletions(replica, REFUSED)
    shown = await replica.get(f"backupinstances/{first['_id']}")
    assert shown["state"] == "DELETING"
    assert "refuses to delete" in shown["message"]
    assert "tried again by itself in 5 minutes" in shown["message"]
    for number in range(2, 5):
        replica.clock.tick(retry_seconds(number) + room.PAUSE_SECONDS)
        await sweep(replica)
        assert len(await deletions(replica)) == number
        await answer_deletions(replica, REFUSED)
    replica.clock.tick(LONGEST_RETRY_SECONDS)
    await sweep_through(replica)
    assert [job["state"] for job in await deletions(replica)] == ["FAILED"] * 4 + ["COMPLETED"]
    assert first["name"] not in await points_of(replica)


async def test_cluster_where_deletions_fail_makes_few_jobs(replica, backup):
    await some_points(replica, backup, number=30)
    for _ in range(24 * 12):
        await sweep(replica)
        await answer_deletions(replica, REFUSED)
        replica.clock.tick(300)
    assert len(await deletions(replica)) <= room.AT_ONCE + 24 * 4, "in a day, one each quarter of an hour at most"


async def test_deletion_whose_server_died_before_it_opened_its_job_goes_on(replica, backup):
    first, _ = await some_points(replica, backup, number=2)
    assert await replica.app.state.parts.worker.expiry.deletions.mark(first, is_expiry=True)
    await sweep(replica)
    assert await deletions(replica) == [], "whoever marked it may be about to"
    replica.clock.tick(600)
    await sweep_through(replica)
    assert first["name"] not in await points_of(replica)


async def test_deletion_that_a_client_asks_for_again_opens_a_job_at_once(replica, backup):
    first, _ = await some_points(replica, backup, number=2)
    await sweep(replica)
    await replica.send("DELETE", f"backupinstances/{first['_id']}", status=204)
    assert len(await deletions(replica)) == 1, "one is under way"
    await answer_deletions(replica, REFUSED)
    await replica.send("DELETE", f"backupinstances/{first['_id']}", status=204)
    await replica.run_jobs()
    await answer_deletions(replica)
    assert {job["state"] for job in await deletions(replica)} == {"FAILED", "COMPLETED"}
    assert first["name"] not in await points_of(replica)


async def test_point_that_a_client_deletes_is_deleted_whatever_keeps_it_from_expiring(replica, backup):
    point = await a_point(replica, backup, minimum=3, days=100)
    await replica.send("DELETE", f"backupinstances/{point['_id']}", status=204)
    await replica.run_jobs()
    (asked,) = await replica.store.collection("commands").find(eq("kind", "backup.delete"))
    assert "not_before" not in asked["payload"]
    await answer_deletions(replica)
    assert await points_of(replica) == {}


async def test_clock_that_was_ahead_does_not_keep_points_from_being_looked_at(replica, backup):
    await some_points(replica, backup, minimum=3)
    replica.clock.tick(1000 * DAY)
    await sweep(replica)
    replica.clock.tick(-1000 * DAY)
    await replica.store.collection("backupinstances").update_many(eq("state", "READY"), Update(set={"retention.numAlwaysRetain": 0}))
    await sweep(replica)
    await sweep_through(replica)
    assert len(await points_of(replica)) == 1


async def test_two_that_sweep_at_once_delete_each_point_once(tmp_path):
    clock = FakeClock()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(a_replica(tmp_path, clock=clock))
        two = await stack.enter_async_context(a_replica(tmp_path, clock=clock, store=one.store))
        backups = [await one.a_backup(await one.a_cluster(), None) for _ in range(4)]
        for backup in backups:
            await some_points(one, backup, number=4, minimum=1)
        leases = [each.app.state.parts.worker.expiry.lease for each in (one, two)]
        for number in range(10):
            await asyncio.gather(sweep(one), sweep(two))
            await answer_deletions(one)
            clock.tick(60)
            await one.store.collection("leases").update(leases[0]._id, Update(set={"until": 0.0, "owner": leases[number % 2].owner}))
        assert sorted((await points_of(one)).values()) == ["READY"] * 4
        jobs = await deletions(one)
        assert len({job["backup_inst"] for job in jobs}) == len(jobs) == 12


async def test_kept_points_are_not_looked_at_in_each_pass(replica, backup):
    await some_points(replica, backup, number=5, minimum=5)
    await sweep(replica)
    due = await replica.app.state.parts.worker.expiry._due("READY", sort="expiry_timestamp")
    assert due == []


async def test_preview_says_what_goes_when_and_what_keeps_the_rest(replica, backup):
    locked = await a_point(replica, backup, days=9, locked=True)
    old, last = await some_points(replica, backup, number=2)
    partial = await a_point(replica, backup, complete=False)
    shown = await replica.get(f"kubebackups/{backup['_id']}/retention-preview")
    assert [(point["name"], point["goes"], point["reason"]) for point in shown["points"]] == [
        (partial["name"], False, "not-expired"),
        (last["name"], False, "last-good"),
        (old["name"], True, None),
        (locked["name"], False, "locked"),
    ]
    assert [point["goes_at"] for point in shown["points"]] == [
        partial["expiry_timestamp"],
        None,
        old["expiry_timestamp"],
        locked["expiry_timestamp"],
    ]
    later = await replica.get(f"kubebackups/{backup['_id']}/retention-preview?at={replica.now + 20 * DAY}")
    assert [point["name"] for point in later["points"] if not point["goes"]] == [last["name"]]
    assert await deletions(replica) == []


async def test_preview_of_a_policy_holds_what_it_runs(replica, cluster):
    policy = await replica.a_policy()
    mine, other = await replica.a_backup(cluster, policy), await replica.a_backup(cluster, None)
    point, _ = await a_point(replica, mine), await a_point(replica, other)
    shown = await replica.get(f"policies/{policy['_id']}/retention-preview")
    assert [each["_id"] for each in shown["points"]] == [point["_id"]]
    assert not shown["is_cut"]


@pytest.mark.parametrize("at", ["yesterday", "-5", "5", "99999999999999999999999", "1e9", "²"])
async def test_preview_refuses_what_is_no_instant_to_come(replica, backup, at):
    answer = await replica.api.get(f"/api/v1/kubebackups/{backup['_id']}/retention-preview", params={"at": at})
    assert answer.status_code == 400
    assert 'The parameter "at"' in answer.json()["_error"]["message"]
