"""Cancelling jobs: while they wait, while the agent works, too late, twice, with the agent away and through a restart of the server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from cloudcasa_contract.base import CommandId
from cloudcasa_contract.commands import Artifacts, BackupRun, Problem, RestoreOutput, RestoreRun, RunCancelled, VolumeResult
from cloudcasa_contract.frames import Outcome, Progress, Result
from cloudcasa_server.job.model import Finish
from cloudcasa_server.job.reasons import CATALOGUE
from cloudcasa_server.kit.store import And, Update, eq

from tests.support.scripted_agent import ScriptedAgent, a_backup, answer, eventually
from tests.support.server import a_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


def silent_on(*kinds):
    return lambda command: None if command.command.kind in kinds else answer(command)


WORKS = silent_on("backup.run", "restore.run", "run.cancel")
"""Takes runs and their cancelling, and says nothing of them."""


def stopped_backup(*, copied: int = 1, volumes: int = 2, **changes):
    found = [
        VolumeResult(namespace="web", pvc=f"data-{number}", method="CSISnapshot", is_data_moved=True, succeeded=number < copied)
        for number in range(volumes)
    ]
    run = a_backup(phase="PartiallyFailed", artifacts=Artifacts(log="cancelled\n", volumes=tuple(found)))
    return RunCancelled(**({"is_stopped": True, "run": run} | changes))


@asynccontextmanager
async def working(server, *, answers=WORKS, copies=True):
    """A copy that runs on an agent; yields agent, backup and the command of the run."""
    await server.a_store()
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster, answers=answers)
    async with agent.connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        offload = await server.make("kubeoffloads", name="web", backupdef=backup["_id"]) if copies else None
        await server.act(f"kubeoffloads/{offload['_id']}/action/run" if offload else f"kubebackups/{backup['_id']}/action/run")
        yield agent, backup, await agent.command("backup.run")


async def only_job(server):
    (job,) = (await server.get("jobs"))["_items"]
    return job


async def cancel(server, **body):
    job = await only_job(server)
    return await server.act(f"jobs/{job['_id']}/action/cancel", **body)


async def test_running_copy_is_cancelled_by_its_agent_and_leaves_no_recovery_point(lent):
    async with working(lent) as (agent, backup, run):
        asked = await cancel(lent)
        assert asked["state"] == "CANCELLING"
        sent = await agent.command("run.cancel")
        assert sent.command.run_id == run.command_id
        assert isinstance(sent.command.run, BackupRun)
        assert sent.command.run == run.command, "with the keys of the store, so that what was written can be deleted"
        await agent.finish(sent, stopped_backup())
        job = await lent.job(backupdef=backup["_id"])
    who = job["message"].removeprefix("Cancelled by ").partition(". ")[0]
    assert job["state"] == "CANCELED"
    assert who
    assert job["message"] == f"Cancelled by {who}. 1 of 2 volumes had been copied. Nothing of it is kept."
    assert job["reason"]["slug"] == "cancelled_by"
    assert job["reason"]["remedy"] == CATALOGUE["cancelled_by"].remedy
    assert f"Cancelling, asked for by {who}." in job["activity"]
    assert (await lent.get("backupinstances"))["_meta"]["total"] == 0
    assert (await lent.get(f"kubeoffloads/{job['offloaddef']}"))["status"]["jobs"][0]["state"] == "CANCELED"
    assert (await lent.api.get(f"/api/v1/jobs/{job['_id']}/logs")).text == "cancelled\n"
    rows = (await lent.get("kubepvcprogress", sort="name"))["_items"]
    assert [(row["name"], row["state"]) for row in rows] == [("data-0", "COMPLETED"), ("data-1", "FAILED")]


async def test_what_could_not_be_taken_away_is_said(lent):
    async with working(lent) as (agent, backup, _):
        await cancel(lent)
        await agent.finish(
            await agent.command("run.cancel"), stopped_backup(left=("The unfinished backup is still in the object store: gone.",))
        )
        job = await lent.job(backupdef=backup["_id"])
    assert job["message"].endswith("1 of 2 volumes had been copied. The unfinished backup is still in the object store: gone.")


async def test_backup_that_was_complete_before_stays_complete(lent):
    async with working(lent) as (agent, backup, _):
        await cancel(lent)
        await agent.finish(await agent.command("run.cancel"), RunCancelled(is_stopped=False, run=a_backup()))
        job = await lent.job(backupdef=backup["_id"])
    assert (job["state"], job["message"]) == ("COMPLETED", "Backup successful")
    assert "reason" not in job
    assert "The run had ended before it could be cancelled." in job["activity"]
    (point,) = (await lent.get("backupinstances"))["_items"]
    assert (point["state"], point["_id"]) == ("READY", job["offload_backup_inst"])


async def test_result_that_arrives_while_cancelling_counts_once(lent):
    async with working(lent) as (agent, backup, run):
        await cancel(lent)
        sent = await agent.command("run.cancel")
        await agent.finish(run, a_backup(), message_id="run")
        await agent.until(lambda: "run" in agent.acks())
        assert (await only_job(lent))["state"] == "CANCELLING", "what the cancelling finds decides"
        await agent.finish(sent, RunCancelled(is_stopped=False, run=a_backup(phase="Failed")))
        job = await lent.job(backupdef=backup["_id"])
    assert job["state"] == "COMPLETED", "the run's own result stays"
    assert (await lent.get("backupinstances"))["_meta"]["total"] == 1


async def test_run_that_failed_before_stays_failed(lent):
    scripts = lent.parts.worker.runner.scripts["K8S_COPY"]
    real, looked, go_on = scripts["wait"], asyncio.Event(), asyncio.Event()

    async def slow(job):
        following = await real(job)
        if isinstance(following, Finish):
            looked.set()
            await go_on.wait()
        return following

    scripts["wait"] = slow
    try:
        async with working(lent) as (agent, backup, run):
            await agent.finish(run, Problem(slug="storage-unreachable", text="No route."))
            await looked.wait()
            assert (await cancel(lent))["state"] == "CANCELLING"
            go_on.set()
            job = await lent.job(backupdef=backup["_id"])
            assert agent.of_kind("run.cancel") == []
    finally:
        scripts["wait"] = real
    assert (job["state"], job["reason"]["slug"]) == ("FAILED", "store_unreachable")


async def test_agent_that_cannot_cancel_goes_on_and_is_asked_again(lent):
    async with working(lent) as (agent, backup, run):
        await cancel(lent)
        sent = await agent.command("run.cancel")
        await agent.send(Result(message_id="old", command_id=sent.command_id, outcome=Outcome.UNSUPPORTED))
        back = await eventually(lambda: running(lent))
        assert back["activity"][-1].startswith("It could not be cancelled and goes on. The agent does not know the command run.cancel.")
        again = await cancel(lent)
        assert again["state"] == "CANCELLING"
        second = await agent.command("run.cancel", count=2)
        assert second.command_id != sent.command_id
        await agent.finish(second, Problem(slug="kubernetes-forbidden", text="May not."))
        await eventually(lambda: running(lent))
        await agent.finish(run, a_backup())
        job = await lent.job(backupdef=backup["_id"])
    assert job["state"] == "COMPLETED"
    assert any("May not." in line for line in job["activity"])


async def running(server):
    job = await only_job(server)
    return job if job["state"] == "RUNNING" else None


async def test_cancelling_twice_and_at_once_is_cancelling_once(lent):
    async with working(lent) as (agent, backup, _):
        job = await only_job(lent)
        path = f"jobs/{job['_id']}/action/cancel"
        answers = await asyncio.gather(*(lent.post(path) for _ in range(5)))
        assert {(answer.status_code, answer.json()["state"]) for answer in answers} == {(200, "CANCELLING")}
        sent = await agent.command("run.cancel")
        assert (await lent.post(path)).json()["state"] == "CANCELLING"
        await agent.finish(sent, RunCancelled(is_stopped=True))
        ended = await lent.job(backupdef=backup["_id"])
        assert (await lent.post(path)).json()["state"] == "CANCELED", "what is wanted is so"
        assert len(agent.of_kind("run.cancel")) == 1
    assert ended["message"].endswith("Nothing of it was found in the cluster.")
    assert sum(line.startswith("Cancelling, asked for by") for line in ended["activity"]) == 1


async def test_ended_job_cannot_be_cancelled(lent):
    async with working(lent, answers=answer) as (_, backup, _):
        job = await lent.job(backupdef=backup["_id"])
        refused = await lent.post(f"jobs/{job['_id']}/action/cancel")
    assert refused.status_code == 422
    assert refused.json()["_error"]["message"] == f'Cannot cancel job "{job["name"]}": it has ended already, COMPLETED.'


async def test_deletion_cannot_be_cancelled(lent):
    async with working(lent, answers=silent_on("backup.delete")) as (agent, backup, _):
        await lent.job(backupdef=backup["_id"])
        (point,) = (await lent.get("backupinstances"))["_items"]
        await lent.api.delete(f"/api/v1/backupinstances/{point['_id']}")
        await agent.command("backup.delete")
        (job,) = (await lent.get("jobs", where='{"type":"DELETE_BACKUP"}'))["_items"]
        refused = await lent.post(f"jobs/{job['_id']}/action/cancel")
    assert refused.status_code == 422
    assert "a job of type DELETE_BACKUP goes on to its end" in refused.json()["_error"]["message"]


@pytest.mark.parametrize("body", [{"keep": "perhaps"}, {"keep": None}, {"keep": {}}, {"keep": 7}])
async def test_nonsense_in_the_body_changes_nothing(lent, body):
    async with working(lent):
        job = await only_job(lent)
        refused = await lent.post(f"jobs/{job['_id']}/action/cancel", **body)
        assert refused.status_code == 422, refused.text
        assert (await only_job(lent))["state"] == "RUNNING"


async def test_job_that_waits_for_its_turn_is_cancelled_at_once(lent):
    await lent.a_store()
    cluster = await lent.a_cluster(configuration={"max_concurrent_runs": 1})
    async with (await lent.an_agent(cluster, answers=WORKS)).connected() as agent:
        await lent.state(cluster["_id"], "ACTIVE")
        first, second = [await lent.a_backup(cluster["_id"], name=name) for name in ("first", "second")]
        await lent.act(f"kubebackups/{first['_id']}/action/run")
        await agent.command("backup.run")
        await lent.act(f"kubebackups/{second['_id']}/action/run")

        async def waits():
            (job,) = (await lent.get("jobs", where=f'{{"backupdef":"{second["_id"]}"}}'))["_items"]
            return job if "Waits for its turn" in job["message"] else None

        job = await eventually(waits)
        ended = await lent.act(f"jobs/{job['_id']}/action/cancel")
        assert (ended["state"], ended["reason"]["slug"]) == ("CANCELED", "cancelled_by")
        assert ended["message"].endswith("Nothing had begun.")
        assert ended["end_time"] >= ended["start_time"]
        assert (await lent.get(f"kubebackups/{second['_id']}"))["status"]["jobs"][0]["state"] == "CANCELED"
        assert len(agent.of_kind("backup.run")) == 1


async def test_run_that_was_not_delivered_is_taken_back(lent):
    """The agent was gone before the command was sent: nothing is started when it comes back."""
    await lent.a_store()
    cluster = await lent.a_cluster()
    agent = await lent.an_agent(cluster, answers=WORKS)
    runner = lent.parts.worker.runner
    real = runner.scripts["K8S_SNAP"]["send"]
    go_on = asyncio.Event()

    async def slow(job):
        await go_on.wait()
        return await real(job)

    runner.scripts["K8S_SNAP"]["send"] = slow
    try:
        async with agent.connected():
            await lent.state(cluster["_id"], "ACTIVE")
            backup = await lent.a_backup(cluster["_id"])
            await lent.act(f"kubebackups/{backup['_id']}/action/run")
            await eventually(lambda: running(lent))
    finally:
        runner.scripts["K8S_SNAP"]["send"] = real
    go_on.set()
    await eventually(lambda: open_commands(lent, "backup.run", state="QUEUED"))
    await cancel(lent)
    job = await lent.job(backupdef=backup["_id"])
    assert (job["state"], job["message"].partition(". ")[2]) == ("CANCELED", "Nothing had been started in the cluster.")
    back = ScriptedAgent(lent.url, cluster["_id"], agent.welcome.credential.get_secret_value(), answers=WORKS)
    async with back.connected():
        await lent.state(cluster["_id"], "ACTIVE")
        other = await lent.a_backup(cluster["_id"], name="other")
        await lent.act(f"kubebackups/{other['_id']}/action/run")
        newer = await back.command("backup.run")
        assert back.of_kind("backup.run") == [newer]
        (job,) = (await lent.get("jobs", where=f'{{"backupdef":"{other["_id"]}"}}'))["_items"]
        assert newer.command.backup_name.endswith(job["_id"])


async def open_commands(server, kind, *, state):
    return await server.parts.store.collection("commands").find(And((eq("kind", kind), eq("state", state))))


async def test_run_whose_command_was_not_made_is_never_made(lent):
    """The runner stands before the step that sends: the mark is seen first, and a runner that lost its lease cannot send any more."""
    await lent.a_store()
    cluster = await lent.a_cluster()
    runner = lent.parts.worker.runner
    real = runner.scripts["K8S_SNAP"]["preflight"]
    seen, go_on = asyncio.Event(), asyncio.Event()

    async def slow(job):
        following = await real(job)
        await lent.parts.worker.runner.jobs.record(job, following.changes | {"script.step": "send"}, owner=job["script"]["lease"]["owner"])
        seen.set()
        await go_on.wait()
        return following

    runner.scripts["K8S_SNAP"]["preflight"] = slow
    try:
        async with (await lent.an_agent(cluster, answers=WORKS)).connected() as agent:
            await lent.state(cluster["_id"], "ACTIVE")
            backup = await lent.a_backup(cluster["_id"])
            await lent.act(f"kubebackups/{backup['_id']}/action/run")
            await seen.wait()
            assert (await cancel(lent))["state"] == "CANCELLING"
            go_on.set()
            job = await lent.job(backupdef=backup["_id"])
            assert job["state"] == "CANCELED"
            await runner.scripts["K8S_SNAP"]["send"](await lent.parts.store.collection("jobs").get(job["_id"]))
            assert await open_commands(lent, "backup.run", state="QUEUED") == []
            assert agent.of_kind("backup.run") == []
    finally:
        runner.scripts["K8S_SNAP"]["preflight"] = real


async def test_agent_that_comes_back_gets_the_cancelling_and_not_the_run(lent):
    async with working(lent) as (agent, backup, run):
        pass
    await lent.parts.store.collection("kubeclusters").update(agent.cluster_id, Update(set={"status.state": "PENDING"}))
    await cancel(lent)
    await eventually(lambda: open_commands(lent, "backup.run", state="HELD"))
    credential = agent.welcome.credential.get_secret_value()
    back, again = [ScriptedAgent(lent.url, agent.cluster_id, credential, answers=WORKS) for _ in range(2)]
    async with back.connected():
        assert (await back.command("run.cancel")).command.run_id == run.command_id
    async with again.connected():
        sent = await again.command("run.cancel")
        await again.finish(sent, RunCancelled(is_stopped=True))
        job = await lent.job(backupdef=backup["_id"])
        assert back.of_kind("backup.run") == again.of_kind("backup.run") == []
    assert job["state"] == "CANCELED"
    assert any("the work there may go on until its agent is back" in line for line in job["activity"])


async def test_progress_is_shown_while_cancelling(lent):
    async with working(lent) as (agent, _, run):
        await cancel(lent)
        sent = await agent.command("run.cancel")
        for command_id in (run.command_id, sent.command_id):
            await agent.send(Progress(command_id=CommandId(command_id), phase="Cancelling", activity=f"seen of {command_id}"))

        async def both():
            lines = (await only_job(lent))["activity"]
            return all(f"seen of {each}" in lines for each in (run.command_id, sent.command_id))

        assert await eventually(both)


async def test_restore_is_cancelled_and_says_what_was_taken_away(lent):
    async with working(lent, answers=silent_on("restore.run", "run.cancel")) as (agent, backup, _):
        await lent.job(backupdef=backup["_id"])
        (point,) = (await lent.get("backupinstances"))["_items"]
        selection = {"all_namespaces": True}
        restore = await lent.make(
            "kuberestores", name="again", backup_inst=point["_id"], selection=selection, namespaces_map={"web": "new"}
        )
        run = await agent.command("restore.run")
        (job,) = (await lent.get("jobs", where='{"type":"RESTORE"}'))["_items"]
        await lent.act(f"jobs/{job['_id']}/action/cancel", keep=True)
        sent = await agent.command("run.cancel")
        assert (sent.command.keep, sent.command.run) == (True, run.command)
        assert isinstance(sent.command.run, RestoreRun)
        volumes = (VolumeResult(namespace="new", pvc="data", is_data_moved=True, succeeded=False),)
        end = RestoreOutput(phase="PartiallyFailed", artifacts=Artifacts(volumes=volumes))
        await agent.finish(sent, RunCancelled(is_stopped=True, run=end, removed=7, left=("CustomResourceDefinition a.b stays.",)))
        job = await lent.job(restoredef=restore["_id"])
        assert (await lent.api.delete(f"/api/v1/backupinstances/{point['_id']}")).status_code == 204, "no restore reads it any more"
    assert job["state"] == "CANCELED"
    truth = "0 of 1 volumes had been restored. 7 objects that it had made were taken away again. CustomResourceDefinition a.b stays."
    assert job["message"].partition(". ")[2] == truth


async def test_server_that_restarts_while_cancelling_goes_on(tmp_path):
    async with a_server(tmp_path / "data") as server, working(server) as (agent, backup, _):
        await cancel(server)
        sent = await agent.command("run.cancel")
    async with a_server(tmp_path / "data") as server:
        assert (await only_job(server))["state"] == "CANCELLING"
        back = ScriptedAgent(server.url, agent.cluster_id, agent.welcome.credential.get_secret_value(), answers=WORKS)
        back.running = (sent.command_id,)
        async with back.connected():
            await back.finish(sent, stopped_backup(copied=0))
            job = await server.job(backupdef=backup["_id"])
            assert back.of_kind("backup.run") == []
    assert (job["state"], job["message"].partition(". ")[2]) == ("CANCELED", "0 of 2 volumes had been copied. Nothing of it is kept.")


@pytest.mark.parametrize("step", ["cancel", "cancelling"])
async def test_step_of_cancelling_may_run_twice(lent, step):
    """A runner that died after acting and before recording: the next one runs the same step again."""
    scripts = lent.parts.worker.runner.scripts["K8S_SNAP"]
    real = scripts[step]

    async def twice(job):
        await real(job)
        return await real(job)

    scripts[step] = twice
    try:
        async with working(lent, answers=silent_on("backup.run"), copies=False) as (agent, backup, _):
            await cancel(lent)
            job = await lent.job(backupdef=backup["_id"])
            assert len(agent.of_kind("run.cancel")) == 1
    finally:
        scripts[step] = real
    assert job["state"] == "CANCELED"


async def test_deleted_cluster_ends_a_job_that_is_being_cancelled(lent):
    async with working(lent) as (agent, backup, _):
        await cancel(lent)
        await agent.command("run.cancel")
        await lent.api.delete(f"/api/v1/kubeclusters/{agent.cluster_id}")
        job = await only_job(lent)
    assert (job["state"], job["reason"]["slug"]) == ("FAILED", "cluster_deleted")
    assert backup["_id"] == job["backupdef"]
