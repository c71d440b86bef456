"""The agents' channel: who gets in, what becomes of silence, duplicates, nonsense and rivals."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from cloudcasa_contract.commands import Artifacts, Problem
from cloudcasa_contract.frames import CloseReason, Outcome, Progress, Report, Result, VolumeProgress
from cloudcasa_contract.states import JobState, JobType
from cloudcasa_server.job.model import Finish, JobRequest
from cloudcasa_server.kit.store import Update, eq

from tests.support.scripted_agent import ScriptedAgent, a_backup, an_inventory, answer, eventually
from tests.support.server import a_server


def unanswered(*kinds):
    return lambda command: None if command.command.kind in kinds else answer(command)


async def active(server, agent):
    await server.state(agent.cluster_id, "ACTIVE")


async def test_bootstrap_credential_is_exchanged_and_dies_when_the_new_one_is_seen(server):
    cluster = await server.a_cluster()
    first = await server.an_agent(cluster)
    async with first.connected():
        fresh = first.welcome.credential.get_secret_value()
    again = ScriptedAgent(server.url, cluster["_id"], first.credential)
    async with again.connected():
        assert again.welcome.credential is not None, "the old one is good until the new one was seen"
    fresh = again.welcome.credential.get_secret_value()
    second = ScriptedAgent(server.url, cluster["_id"], fresh)
    async with second.connected():
        assert second.welcome.credential is None
    late = ScriptedAgent(server.url, cluster["_id"], first.credential)
    async with late.connected():
        assert late.close_code == CloseReason.UNAUTHORIZED.code == 4100
    reapplied = await server.an_agent(cluster)
    assert reapplied.credential != first.credential
    async with ScriptedAgent(server.url, cluster["_id"], fresh).connected() as live:
        assert live.welcome, "a manifest that was fetched again does not throw out the live agent"
    async with reapplied.connected():
        assert reapplied.welcome.credential is not None


async def test_manifest_is_the_same_until_its_credential_is_used(server):
    cluster = await server.a_cluster()
    assert (await server.an_agent(cluster)).credential == (await server.an_agent(cluster)).credential


@pytest.mark.parametrize("credential", ["", "nonsense", "cca_" + "a" * 24 + "_" + "x" * 43])
async def test_unknown_credential_is_turned_away(server, credential):
    agent = ScriptedAgent(server.url, "a" * 24, credential)
    async with agent.opened():
        text = await agent.socket.recv()
        assert json.loads(text)["reason"] == "unauthorized"
        await agent.socket.wait_closed()
        assert agent.socket.close_code == 4100


async def test_credential_of_another_cluster_is_turned_away(server):
    one, two = await server.a_cluster("one"), await server.a_cluster("two")
    agent = await server.an_agent(one)
    agent.cluster_id = two["_id"]
    async with agent.connected():
        assert agent.closed.reason is CloseReason.UNAUTHORIZED


async def test_protocol_of_the_future_is_refused(server):
    agent = await server.an_agent(await server.a_cluster(), protocols=(99,))
    async with agent.connected():
        assert agent.closed.reason is CloseReason.PROTOCOL_UNSUPPORTED


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"no":"type"}',
        '{"type":"heartbeat","running":5}',
        '{"type":"result"}',
        '{"type":"hello"}',
        b"binary",
        "[" * 100_000,
    ],
    ids=["text", "list", "typeless", "wrong type", "empty result", "second hello", "binary", "deep"],
)
async def test_malformed_frame_ends_the_link_and_nothing_else(server, text):
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster)
    async with agent.connected():
        await agent.socket.send(text)
        await agent.until(lambda: agent.close_code is not None)
        assert agent.closed.reason is CloseReason.PROTOCOL_ERROR
        assert agent.closed.text
    async with (await server.an_agent(cluster)).connected() as next_agent:
        assert next_agent.welcome


async def test_first_frame_must_be_hello(server):
    agent = await server.an_agent(await server.a_cluster())
    async with agent.opened():
        await agent.beat()
        assert json.loads(await agent.socket.recv())["reason"] == "protocol-error"


async def test_unknown_frame_and_unknown_fields_are_ignored(server):
    agent = await server.an_agent(await server.a_cluster())
    async with agent.connected():
        await agent.socket.send('{"type":"poetry","verse":1}')
        await agent.socket.send('{"type":"heartbeat","running":[],"mood":"good"}')
        message = uuid4().hex
        await agent.send(Report(message_id=message, inventory=an_inventory()))
        await agent.until(lambda: message in agent.acks())
        assert agent.close_code is None


async def test_newer_link_supersedes_the_older(server):
    cluster = await server.a_cluster()
    first, second = await server.an_agent(cluster), await server.an_agent(cluster)
    async with first.connected(), second.connected():
        await first.until(lambda: first.closed is not None)
        assert first.closed.reason is CloseReason.SUPERSEDED
        assert second.close_code is None


async def test_deleted_cluster_is_told_and_stays_out(server):
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster)
    async with agent.connected():
        await active(server, agent)
        assert (await server.api.delete(f"/api/v1/kubeclusters/{cluster['_id']}")).status_code == 204
        await agent.until(lambda: agent.closed is not None)
        assert agent.closed.reason is CloseReason.CLUSTER_DELETED
    async with agent.connected():
        await agent.until(lambda: agent.close_code is not None)
    assert (await server.api.get(cluster["status"]["agentURL"])).status_code == 404


async def test_deleting_a_cluster_ends_its_jobs(server):
    await server.a_store()
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster, answers=unanswered("backup.run"))).connected() as agent:
        await active(server, agent)
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        await agent.command("backup.run")
        await server.api.delete(f"/api/v1/kubeclusters/{cluster['_id']}")
        job = await server.job(backupdef=backup["_id"])
    assert (job["state"], job["message"]) == ("FAILED", 'The cluster "prod-eu" was deleted.')


async def test_silence_makes_pending_and_a_heartbeat_active_again(tmp_path):
    async with a_server(tmp_path / "data", silence_seconds=2.0) as server:
        cluster = await server.a_cluster()
        agent = await server.an_agent(cluster)
        async with agent.connected():
            await active(server, agent)
            pending = await server.state(cluster["_id"], "PENDING")
            assert "No word from the agent" in pending["status"]["message"]
            assert pending["status"]["pendingStateTimestamp"] > 0
            assert pending["_etag"] == cluster["_etag"]
        rotated = ScriptedAgent(server.url, cluster["_id"], agent.welcome.credential.get_secret_value())
        async with rotated.connected():
            await active(server, rotated)


async def test_engine_problem_is_shown_and_goes(server):
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster)).connected() as agent:
        await active(server, agent)
        await agent.beat(engine_problem=Problem(slug="velero-not-ready", text="Velero is not ready.", remedy="Look at its pod."))
        pending = await server.state(cluster["_id"], "PENDING")
        assert pending["status"]["message"] == "Velero is not ready. Look at its pod."
        await agent.beat()
        await active(server, agent)


async def test_engine_that_cannot_be_installed_is_tried_again_on_reconnect(server):
    cluster = await server.a_cluster()
    problem = Problem(slug="foreign-velero", text='There is a Velero in the namespace "velero".', remedy="Remove it first.")
    failing = await server.an_agent(cluster, answers=lambda command: problem)
    async with failing.connected():
        pending = await server.state(cluster["_id"], "PENDING")
        assert pending["status"]["message"] == 'There is a Velero in the namespace "velero". Remove it first.'
    async with (await server.an_agent(cluster)).connected() as agent:
        await active(server, agent)


async def test_engine_is_asked_for_once_by_each_start_of_an_agent(server):
    async def asked() -> int:
        return await server.parts.store.collection("commands").count(eq("kind", "engine.ensure"))

    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster)
    async with agent.connected():
        await active(server, agent)
    agent.welcome = None
    async with agent.connected():  # the welcome comes after the decision
        assert await asked() == 1
    async with (await server.an_agent(cluster)).connected() as restarted:
        await active(server, restarted)
        assert await asked() == 2


async def test_agent_of_a_new_installation_is_not_active_before_its_engine_is(server):
    cluster = await server.a_cluster()
    first = await server.an_agent(cluster)
    async with first.connected():
        await active(server, first)
    installed_anew = await server.an_agent(cluster, answers=unanswered("engine.ensure"))
    async with installed_anew.connected():
        await installed_anew.command("engine.ensure")
        state = (await server.get(f"kubeclusters/{cluster['_id']}"))["status"]
        assert (state["state"], state["message"]) == ("PENDING", "The agent is connected and is installing the backup engine.")


async def a_running_backup(server, agent):
    await active(server, agent)
    backup = await server.a_backup(agent.cluster_id)
    await server.act(f"kubebackups/{backup['_id']}/action/run")
    return backup, await agent.command("backup.run")


async def test_command_is_delivered_again_after_a_reconnect_but_not_if_it_is_worked_on(server):
    await server.a_store()
    cluster = await server.a_cluster()
    first = await server.an_agent(cluster, answers=unanswered("backup.run"))
    async with first.connected():
        backup, sent = await a_running_backup(server, first)
    second = await server.an_agent(cluster, answers=unanswered("backup.run"), running=(sent.command_id,))
    async with second.connected():
        await asyncio.sleep(0.2)
        assert second.of_kind("backup.run") == []
    third = await server.an_agent(cluster)
    async with third.connected():
        again = await third.command("backup.run")
        assert (again.command_id, again.delivery) == (sent.command_id, 2)
        assert (await server.job(backupdef=backup["_id"]))["state"] == "COMPLETED"


async def test_results_out_of_order_and_twice_change_nothing(server):
    await server.a_store()
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster, answers=unanswered("backup.run"))
    async with agent.connected():
        backup, sent = await a_running_backup(server, agent)
        await agent.finish(sent, a_backup(), message_id="one")
        await agent.finish(sent, a_backup(phase="Failed"), message_id="two")
        await agent.send(Progress(command_id=sent.command_id, phase="InProgress", activity="late"))
        await agent.until(lambda: {"one", "two"} <= set(agent.acks()))
        job = await server.job(backupdef=backup["_id"])
        assert job["state"] == "COMPLETED"
        assert "late" not in job["activity"]
        assert (await server.get("backupinstances"))["_meta"]["total"] == 1


async def test_result_for_another_clusters_command_is_ignored(server):
    await server.a_store()
    one, two = await server.a_cluster("one"), await server.a_cluster("two")
    async with (
        (await server.an_agent(one, answers=unanswered("backup.run"))).connected() as mine,
        (await server.an_agent(two)).connected() as foreign,
    ):
        backup, sent = await a_running_backup(server, mine)
        await foreign.finish(sent, a_backup(), message_id="stolen")
        await foreign.until(lambda: "stolen" in foreign.acks())
        jobs = await server.get("jobs", where=json.dumps({"backupdef": backup["_id"]}))
        assert jobs["_items"][0]["state"] == "RUNNING"


async def test_progress_is_shown_and_activity_is_bounded(server):
    await server.a_store()
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster, answers=unanswered("backup.run"))
    async with agent.connected():
        await active(server, agent)
        backup = await server.a_backup(cluster["_id"])
        offload = await server.make("kubeoffloads", name="web", backupdef=backup["_id"])
        await server.act(f"kubeoffloads/{offload['_id']}/action/run")
        sent = await agent.command("backup.run")
        for number in range(220):
            volume = VolumeProgress(namespace="web", pvc="data", phase="InProgress", bytes_total=10, bytes_done=5)
            await agent.send(
                Progress(
                    command_id=sent.command_id,
                    phase="InProgress",
                    activity=f"step {number}",
                    bytes_total=10,
                    bytes_done=5,
                    volumes=(volume,),
                )
            )

        async def look():
            (job,) = (await server.get("jobs"))["_items"]
            return job if job["activity"][-1] == "step 219" and len(job["activity"]) <= 200 else None  # one more, until it is cut

        job = await eventually(look, seconds=20)
    assert len(job["activity"]) == 200
    assert job["kube_copy_progress"]["active_pvs"] == 1
    assert job["kube_copy_progress"]["stats"]["transferred_size"] == 5


async def test_unsupported_command_fails_the_job_with_a_remedy(server):
    await server.a_store()
    cluster = await server.a_cluster()

    def answers(command):
        if command.command.kind == "backup.run":
            return Problem(slug="storage-unreachable", text="The bucket cannot be reached.", remedy="Open the way to it.")
        return answer(command)

    async with (await server.an_agent(cluster, answers=answers)).connected() as agent:
        await active(server, agent)
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        job = await server.job(backupdef=backup["_id"])
    assert (job["state"], job["message"]) == ("FAILED", "The bucket cannot be reached. Open the way to it.")
    assert (await server.get("backupinstances"))["_meta"]["total"] == 0


async def test_command_that_nobody_mentions_is_delivered_again(tmp_path):
    async with a_server(tmp_path / "data", command_retry_seconds=0.5) as server:
        await server.a_store()
        cluster = await server.a_cluster()
        async with (await server.an_agent(cluster, answers=unanswered("backup.run"))).connected() as agent:
            _, sent = await a_running_backup(server, agent)
            again = await agent.command("backup.run", count=2)
            assert again.command_id == sent.command_id
            assert again.delivery > sent.delivery


async def test_recovery_point_outlives_its_cluster_and_can_be_forgotten(server):
    await server.a_store()
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster)).connected() as agent:
        await active(server, agent)
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        await server.job(backupdef=backup["_id"])
    await server.api.delete(f"/api/v1/kubeclusters/{cluster['_id']}")
    (point,) = (await server.get("backupinstances"))["_items"]
    assert (await server.api.delete(f"/api/v1/backupinstances/{point['_id']}")).status_code == 204
    job = await server.job(type="DELETE_BACKUP")
    assert job["state"] == "PARTIAL"
    assert f"lab-backups/{cluster['_id']}" in job["message"]
    assert (await server.get("backupinstances"))["_meta"]["total"] == 0


async def test_data_that_cannot_be_deleted_keeps_its_recovery_point(server):
    await server.a_store()
    cluster = await server.a_cluster()
    problem = Problem(slug="locked", text="The bucket refuses to delete.")
    agent = await server.an_agent(cluster, answers=lambda command: problem if command.command.kind == "backup.delete" else answer(command))
    async with agent.connected():
        await active(server, agent)
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        await server.job(backupdef=backup["_id"])
        (point,) = (await server.get("backupinstances"))["_items"]
        await server.api.delete(f"/api/v1/backupinstances/{point['_id']}")
        assert (await server.job(type="DELETE_BACKUP"))["state"] == "FAILED"
        kept = await server.get(f"backupinstances/{point['_id']}")
        assert kept["state"] == "DELETING"
        assert "refuses to delete" in kept["message"]
        await server.api.delete(f"/api/v1/backupinstances/{point['_id']}")
        await agent.command("backup.delete", count=2)


async def test_command_that_can_never_be_made_fails_its_job_and_not_the_link(server):
    """Its store's keys do not open any more, as after a lost key file."""
    await server.a_store()
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster)).connected() as agent:
        await active(server, agent)
        (store,) = await server.parts.store.collection("objectstores").find()
        spoilt = Update(set={"s3provider.credentials": "sealed:v1:lost:AAAA"})
        await server.parts.store.collection("objectstores").update(store["_id"], spoilt)
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        job = await server.job(backupdef=backup["_id"])
        assert agent.close_code is None
    assert job["state"] == "FAILED"
    assert "cannot be opened" in job["message"]


async def test_progress_and_ack_of_another_clusters_command_are_ignored(server):
    await server.a_store()
    one, two = await server.a_cluster("one"), await server.a_cluster("two")
    async with (
        (await server.an_agent(one, answers=unanswered("backup.run"))).connected() as mine,
        (await server.an_agent(two)).connected() as foreign,
    ):
        _, sent = await a_running_backup(server, mine)
        await foreign.send(Progress(command_id=sent.command_id, phase="Stolen", activity="stolen"))
        await foreign.beat(running=(sent.command_id,))
        await foreign.send(Report(message_id="after"))
        await foreign.until(lambda: "after" in foreign.acks())
        (job,) = (await server.get("jobs"))["_items"]
        command = await server.parts.clusters.outbox.find(sent.command_id)
    assert "stolen" not in job["activity"]
    assert command["lease"]["owner"] == (await server.parts.clusters.find(one["_id"]))["agent"]["session"]


async def test_what_follows_from_a_result_is_made_up_for_when_it_comes_again(server):
    """As if the link had ended between storing the engine's answer and acting on it."""
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster, answers=unanswered("engine.ensure"))
    async with agent.connected():
        sent = await agent.command("engine.ensure")
        output = answer(sent)
        result = Result(message_id="lost", command_id=sent.command_id, outcome=Outcome.SUCCEEDED, output=output)
        await server.parts.clusters.outbox.finish(result, cluster_id=cluster["_id"])
        await agent.finish(sent, output)
        await active(server, agent)


async def test_two_who_ask_for_the_engine_at_once_ask_once(server):
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster, answers=unanswered("engine.ensure"))
    async with agent.connected():
        sent = await agent.command("engine.ensure")
        forgotten = Update(set={"state": "FAILED", "result": {"outcome": "FAILED"}})
        await server.parts.store.collection("commands").update(sent.command_id, forgotten)
        await asyncio.gather(*(server.parts.clusters.ensure_engine(cluster["_id"]) for _ in range(5)))
        await agent.command("engine.ensure", count=2)
        await agent.send(Report(message_id="after"))
        await agent.until(lambda: "after" in agent.acks())
        assert await server.parts.store.collection("commands").count() == 2


async def test_clock_that_was_wrong_once_does_not_keep_inventories_out(server):
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster)).connected() as agent:
        ahead = an_inventory(namespaces=("old",)).model_copy(update={"taken_at": datetime.now(UTC) + timedelta(days=1)})
        await agent.send(Report(message_id="one", inventory=ahead))
        await agent.until(lambda: "one" in agent.acks())
        await agent.send(Report(message_id="two", inventory=an_inventory(namespaces=("new",))))
        await agent.until(lambda: "two" in agent.acks())
        assert [each["name"] for each in (await server.get("kubenamespaces"))["_items"]] == ["new"]


async def test_line_of_progress_has_an_end(server):
    await server.a_store()
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster, answers=unanswered("backup.run"))).connected() as agent:
        _, sent = await a_running_backup(server, agent)
        await agent.send(Progress(command_id=sent.command_id, phase="x" * 5000, activity="y" * 5000))
        await agent.send(Report(message_id="after"))
        await agent.until(lambda: "after" in agent.acks())
        (job,) = (await server.get("jobs"))["_items"]
    assert len(job["activity"][-1]) == 1000


async def test_job_of_a_deleted_cluster_stays_ended(server):
    """Its runner, which still holds the lease, must not write over the end."""
    cluster = await server.a_cluster()
    jobs = server.parts.clusters.jobs
    server.parts.worker.runner._slots = asyncio.Semaphore(0)
    job = await jobs.open(JobRequest(type=JobType.K8S_SNAP, display_name="x", cluster_id=cluster["_id"], cluster_name="x"))
    job = await jobs.store.collection("jobs").update(job["_id"], Update(set={"script.lease": {"owner": "me", "until": 9e12}}))
    await jobs.end_all(cluster["_id"], end=Finish(JobState.FAILED, "deleted", reason="cluster_deleted"))
    assert await jobs.record(job, {"state": "COMPLETED"}, owner="me") is None
    assert (await jobs.get(job["_id"]))["state"] == "FAILED"


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "PARTIAL"),
        ({"source": {"namespaces": ["web"], "snapshotPersistentVolumes": False}}, "COMPLETED"),
        ({"source": {"all_namespaces": True, "excluded_namespaces": ["web"]}}, "COMPLETED"),
        ({"source": {"namespaces": ["web"], "excluded_resources": ["persistentvolumeclaims"]}}, "COMPLETED"),
    ],
    ids=["selected", "no volumes wanted", "namespace excluded", "claims excluded"],
)
async def test_claim_that_velero_does_not_mention_is_named(server, change, state):
    await server.a_store()
    cluster = await server.a_cluster()

    def answers(command):
        return a_backup(artifacts=Artifacts()) if command.command.kind == "backup.run" else answer(command)

    async with (await server.an_agent(cluster, answers=answers)).connected() as agent:
        await active(server, agent)
        await agent.send(Report(message_id="inventory", inventory=an_inventory()))
        await agent.until(lambda: "inventory" in agent.acks())
        backup = await server.a_backup(cluster["_id"], **change)
        offload = await server.make("kubeoffloads", name="web", backupdef=backup["_id"])
        await server.act(f"kubeoffloads/{offload['_id']}/action/run")
        job = await server.job(backupdef=backup["_id"])
    assert job["state"] == state, job["message"]
    assert ("web/data" in job["message"]) == (state == "PARTIAL")


async def test_claim_that_went_before_the_backup_is_not_missed(server):
    await server.a_store()
    cluster = await server.a_cluster()
    gone = an_inventory().model_copy(update={"pvcs": ()})

    def answers(command):
        by_kind = {"backup.run": a_backup(artifacts=Artifacts()), "inventory.collect": gone}
        return by_kind.get(command.command.kind) or answer(command)

    async with (await server.an_agent(cluster, answers=answers)).connected() as agent:
        await active(server, agent)
        backup = await server.a_backup(cluster["_id"])
        await agent.send(Report(message_id="inventory", inventory=an_inventory()))
        await agent.until(lambda: "inventory" in agent.acks())
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        assert (await server.job(backupdef=backup["_id"]))["state"] == "COMPLETED"
