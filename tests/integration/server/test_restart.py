"""A server that dies between two steps: the job goes on from its recorded step, and nothing is done twice."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from cloudcasa_contract.states import JobState
from cloudcasa_server.job.model import Finish, Goto
from cloudcasa_server.job.runner import Runner

from tests.support.scripted_agent import ScriptedAgent, a_backup, answer
from tests.support.server import a_server


def unanswered(*kinds):
    return lambda command: None if command.command.kind in kinds else answer(command)


async def test_job_survives_a_restart_while_the_agent_works(tmp_path):
    async with a_server(tmp_path / "data") as server:
        await server.a_store()
        cluster = await server.a_cluster()
        agent = await server.an_agent(cluster, answers=unanswered("backup.run"))
        async with agent.connected():
            await server.state(cluster["_id"], "ACTIVE")
            backup = await server.a_backup(cluster["_id"])
            await server.act(f"kubebackups/{backup['_id']}/action/run")
            sent = await agent.command("backup.run")
    async with a_server(tmp_path / "data") as server:
        back = ScriptedAgent(server.url, cluster["_id"], agent.welcome.credential.get_secret_value(), running=(sent.command_id,))
        async with back.connected():
            await back.finish(sent, a_backup())
            job = await server.job(backupdef=backup["_id"])
            assert job["state"] == "COMPLETED"
            assert back.of_kind("backup.run") == []
            assert (await server.get("backupinstances"))["_meta"]["total"] == 1


async def test_result_that_was_stored_before_the_restart_is_used(tmp_path):
    """The result is in the outbox, the runner never saw it: as if the process died right after storing it."""
    async with a_server(tmp_path / "data") as server:
        await server.a_store()
        cluster = await server.a_cluster()
        agent = await server.an_agent(cluster, answers=unanswered("backup.run"))
        async with agent.connected():
            await server.state(cluster["_id"], "ACTIVE")
            backup = await server.a_backup(cluster["_id"])
            await server.act(f"kubebackups/{backup['_id']}/action/run")
            sent = await agent.command("backup.run")
            server.parts.worker.runner._slots = asyncio.Semaphore(0)
            job = (await server.get("jobs"))["_items"][0]
            await agent.finish(sent, a_backup(), message_id="last")
            await agent.until(lambda: "last" in agent.acks())
    async with a_server(tmp_path / "data") as server:
        done = await server.job(backupdef=backup["_id"])
        assert (done["_id"], done["state"]) == (job["_id"], "COMPLETED")


@pytest.mark.parametrize("step", ["preflight", "send", "wait", "catalog"])
async def test_step_may_run_twice(server, step):
    """A runner that died after acting and before recording: the next one runs the same step again."""
    await server.a_store()
    cluster = await server.a_cluster()
    scripts = server.parts.worker.runner.scripts["K8S_SNAP"]
    real = scripts[step]

    async def twice(job):
        await real(job)
        return await real(job)

    scripts[step] = twice
    async with (await server.an_agent(cluster)).connected() as agent:
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        assert (await server.job(backupdef=backup["_id"]))["state"] == "COMPLETED"
        assert len(agent.of_kind("backup.run")) == 1
        assert (await server.get("backupinstances"))["_meta"]["total"] == 1


async def test_two_servers_share_a_database_and_each_job_is_run_by_one(tmp_path):
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(a_server(tmp_path / "data"))
        two = await stack.enter_async_context(a_server(tmp_path / "data"))
        await one.a_store()
        cluster = await one.a_cluster()
        agent = await one.an_agent(cluster)
        await stack.enter_async_context(agent.connected())
        await two.state(cluster["_id"], "ACTIVE")
        names = [f"b{number}" for number in range(4)]
        backups = [await one.a_backup(cluster["_id"], name=name) for name in names]
        for backup, server in zip(backups, (one, two, one, two), strict=True):
            await server.act(f"kubebackups/{backup['_id']}/action/run")
        jobs = [await two.job(backupdef=backup["_id"], seconds=20) for backup in backups]
        assert {job["state"] for job in jobs} == {"COMPLETED"}
        assert len(agent.of_kind("backup.run")) == 4
        assert (await one.get("backupinstances"))["_meta"]["total"] == 4


async def test_runner_that_lost_its_lease_changes_nothing(server):
    """Two runners fight for a job: the one whose lease was taken over must not write."""
    cluster = await server.a_cluster()
    backup = await server.a_backup(cluster["_id"])
    jobs = server.parts.worker.runner.jobs
    server.parts.worker.runner._slots = asyncio.Semaphore(0)
    await asyncio.sleep(0)
    reached = asyncio.Event()
    go_on = asyncio.Event()

    async def slow(job):
        reached.set()
        await go_on.wait()
        return Goto("never")

    async def quick(job):
        return Finish(JobState.COMPLETED, "by the second")

    first = Runner(jobs=jobs, bus=server.parts.bus, scripts={"K8S_SNAP": {"preflight": slow}}, job_timeout_seconds=60, name="first")
    second = Runner(jobs=jobs, bus=server.parts.bus, scripts={"K8S_SNAP": {"preflight": quick}}, job_timeout_seconds=60, name="second")
    scripts = server.parts.worker.runner.scripts["K8S_SNAP"]
    scripts["preflight"] = slow
    await server.act(f"kubebackups/{backup['_id']}/action/run")
    job = (await server.get("jobs"))["_items"][0]
    claimed = await first.claim()
    if claimed is None:
        await reached.wait()
    await jobs.documents.set(job["_id"], {"script.lease.until": 0.0})
    task = asyncio.create_task(first.advance(claimed)) if claimed else None
    if task:
        await reached.wait()
    taken = await second.claim()
    assert taken is not None
    assert await first.claim() is None
    await second.advance(taken)
    go_on.set()
    if task:
        await task
    done = await server.get(f"jobs/{job['_id']}")
    assert (done["state"], done["message"]) == ("COMPLETED", "by the second")


async def test_wake_between_look_and_wait_is_not_lost(server):
    """The result arrives after the step looked and before the job was parked: the step looks again."""
    cluster = await server.a_cluster()
    backup = await server.a_backup(cluster["_id"])
    jobs = server.parts.worker.runner.jobs
    from cloudcasa_server.job.model import Wait

    looks = []

    async def look(job):
        looks.append(job["_id"])
        if len(looks) == 1:
            await jobs.wake(job["_id"])
            return Wait()
        return Finish(JobState.COMPLETED, "seen")

    server.parts.worker.runner.scripts["K8S_SNAP"]["preflight"] = look
    await server.act(f"kubebackups/{backup['_id']}/action/run")
    assert (await server.job(backupdef=backup["_id"], seconds=3))["message"] == "seen"


async def test_step_that_fails_unexpectedly_fails_the_job(server):
    cluster = await server.a_cluster()
    backup = await server.a_backup(cluster["_id"])

    async def broken(job):
        raise ZeroDivisionError

    server.parts.worker.runner.scripts["K8S_SNAP"]["preflight"] = broken
    await server.act(f"kubebackups/{backup['_id']}/action/run")
    job = await server.job(backupdef=backup["_id"])
    assert job["state"] == "FAILED"
    assert "preflight" in job["message"]
