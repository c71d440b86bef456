"""Old jobs and alerts go, with what belongs to them; what something refers to stays."""

from __future__ import annotations

from itertools import count

import pytest
from cloudcasa_server.job import pruning
from cloudcasa_server.kit.store import Update

from tests.support.clock import FakeClock
from tests.support.kept import DAY, a_point
from tests.support.scheduled import a_replica

PARTS = ("joblogs", "commands", "kubepvcprogress")
_numbers = count()


@pytest.fixture
async def replica(tmp_path, monkeypatch):
    monkeypatch.setattr(pruning, "_BREATH_SECONDS", 0.0)
    async with a_replica(tmp_path, clock=FakeClock(), job_retention_days=30, alert_retention_days=60) as one:
        yield one


@pytest.fixture
async def backup(replica):
    return await replica.a_backup(await replica.a_cluster(), None)


async def a_job(replica, *, days=0, is_open=False, **fields):
    """Store a job that began so many days ago, with a log, a command and the progress of a volume."""
    documents = replica.documents("jobs")
    script = {"is_open": is_open, "due_at": 4e9, "lease": {"owner": "", "until": 0.0}, "wakes": 0}
    body = {"name": f"job-{next(_numbers)}", "type": "K8S_COPY", "state": "COMPLETED", "start_time": replica.now - days * DAY}
    job = await documents.insert(documents.new(body | {"script": script} | fields))
    store = replica.store
    await store.collection("joblogs").insert({"_id": job["_id"], "log": "x"})
    await store.collection("commands").insert({"_id": job["_id"], "job": job["_id"], "key": job["_id"], "state": "DONE", "created_at": 0})
    await store.collection("kubepvcprogress").insert({"_id": job["_id"], "job_id": job["_id"], "namespace": "web", "name": "data"})
    return job


async def prune(replica):
    await replica.app.state.parts.worker.pruner.prune()


async def left(replica, name="jobs"):
    return {document["_id"] for document in await replica.store.collection(name).find()}


async def test_old_jobs_go_with_all_that_belongs_to_them(replica):
    old, young = await a_job(replica, days=31), await a_job(replica, days=29)
    await prune(replica)
    for name in ("jobs", *PARTS):
        assert await left(replica, name) == {young["_id"]}, name
    assert old["_id"] not in await left(replica)


async def test_job_of_a_recovery_point_stays_as_long_as_that(replica, backup):
    job = await a_job(replica, days=100)
    point = await a_point(replica, backup, backup_job_id=job["_id"])
    await prune(replica)
    assert await left(replica) == {job["_id"]}
    await replica.documents("backupinstances").delete(point["_id"])
    await prune(replica)
    await prune(replica)
    assert await left(replica) == set()


async def test_jobs_that_a_definition_shows_and_those_under_way_stay(replica, backup):
    jobs = [await a_job(replica, days=100 - number, backupdef=backup["_id"]) for number in range(5)]
    shown = [{"jobid": job["_id"], "state": "COMPLETED", "message": ""} for job in jobs[:-4:-1]]
    await replica.store.collection("kubebackups").update(backup["_id"], Update(set={"status.jobs": shown}))
    running = await a_job(replica, days=100, is_open=True)
    await prune(replica)
    assert await left(replica) == {*(job["_id"] for job in jobs[2:]), running["_id"]}


async def test_pass_goes_on_where_the_last_one_ended_also_behind_many_that_stay(replica, backup, monkeypatch):
    """More jobs that began in the same second than a batch holds, the first of which all stay."""
    monkeypatch.setattr(pruning, "BATCH", 2)
    monkeypatch.setattr(pruning, "BATCHES", 3)
    kept = [await a_job(replica, days=40) for _ in range(7)]
    for job in kept:
        await a_point(replica, backup, backup_job_id=job["_id"])
    older = [await a_job(replica, days=50) for _ in range(3)]
    await prune(replica)
    assert {job["_id"] for job in older} <= await left(replica)
    await prune(replica)
    await prune(replica)
    assert await left(replica) == {job["_id"] for job in kept}


async def test_old_alerts_go(replica):
    documents = replica.documents("alerts")
    for days in (61, 59):
        alert = documents.new({"name": "a", "type": "BACKUP_FAILED", "description": "No.", "event": f"job:{days}"})
        await documents.insert(alert | {"_created": replica.now - days * DAY})
    await prune(replica)
    assert [alert["event"] for alert in await replica.store.collection("alerts").find()] == ["job:59"]


async def test_replica_that_does_not_lead_drops_nothing(tmp_path, replica):
    await a_job(replica, days=100)
    async with a_replica(tmp_path, clock=replica.clock, store=replica.store) as other:
        assert await other.app.state.parts.worker.pruner.lease.hold() is not None
        await prune(replica)
        assert len(await left(replica)) == 1
        await prune(other)
        assert await left(replica) == set()
