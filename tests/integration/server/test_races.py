"""Two who write at once: whatever the order of their reads and writes, what is shown in the end is what is true."""

from __future__ import annotations

import asyncio
import json

from cloudcasa_contract.states import JobState, JobType
from cloudcasa_server.job.model import ACTIVITY_LIMIT, JobRequest
from cloudcasa_server.kit.store import Update


def a_request(cluster, backup):
    fields = {"backupdef": backup["_id"], "retention": {"retainDays": 7}}
    return JobRequest(JobType.K8S_SNAP, display_name="web", cluster_id=cluster["_id"], cluster_name="c", fields=fields)


async def test_definition_shows_its_latest_jobs_however_they_interleave(server):
    cluster = await server.a_cluster()
    backup = await server.a_backup(cluster["_id"])
    jobs = server.parts.services.get(type(server.parts.worker.runner.jobs))
    opened = [await jobs.open(a_request(cluster, backup)) for _ in range(3)]
    collection = server.parts.store.collection("jobs")

    async def end(job, state):
        ended = await collection.update(job["_id"], Update(set={"state": state.value, "script.is_open": False}))
        await jobs.tell_definitions(ended)

    await asyncio.gather(
        *(end(job, state) for job, state in zip(opened, (JobState.COMPLETED, JobState.FAILED, JobState.SKIPPED), strict=True))
    )
    await asyncio.gather(*(jobs.tell_definitions(job) for job in opened))
    shown = (await server.get(f"kubebackups/{backup['_id']}"))["status"]["jobs"]
    assert [one["state"] for one in shown] == ["SKIPPED", "FAILED", "COMPLETED"]


async def test_lines_of_an_activity_are_not_lost_where_it_is_cut(server):
    cluster = await server.a_cluster()
    backup = await server.a_backup(cluster["_id"])
    jobs = server.parts.services.get(type(server.parts.worker.runner.jobs))
    job = await jobs.open(a_request(cluster, backup))
    full = [f"line {number}" for number in range(ACTIVITY_LIMIT)]
    await server.parts.store.collection("jobs").update(
        job["_id"], Update(set={"activity": full, "script.due_at": 9e9, "script.is_open": True})
    )
    await asyncio.gather(*(jobs.note(job["_id"], f"new {number}") for number in range(10)))
    activity = (await server.get(f"jobs/{job['_id']}"))["activity"]
    assert {f"new {number}" for number in range(10)} <= set(activity)


async def test_mirror_of_a_policy_is_the_one_that_was_stored_last(server):
    cluster = await server.a_cluster()
    backup = await server.a_backup(cluster["_id"])
    schedules = [{"retainDays": 3, "schedule": {"cronSpec": "0 1 * * *"}}]
    policies = [await server.make("policies", name=f"p{number}", schedules=schedules) for number in range(4)]
    offload = await server.make("kubeoffloads", name="web", backupdef=backup["_id"], policy=policies[0]["_id"])
    match = {"If-Match": backup["_etag"]}
    await server.api.patch(f"/api/v1/kubebackups/{backup['_id']}", content=json.dumps({"copydef": offload["_id"]}), headers=match)
    any_version = {"If-Match": "*"}
    await asyncio.gather(
        *(
            server.api.patch(f"/api/v1/kubeoffloads/{offload['_id']}", json={"policy": policy["_id"]}, headers=any_version)
            for policy in policies
        )
    )
    stored = (await server.get(f"kubeoffloads/{offload['_id']}"))["policy"]
    assert (await server.get(f"kubebackups/{backup['_id']}"))["copy_policy"] == stored
