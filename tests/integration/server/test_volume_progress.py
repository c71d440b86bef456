"""How far each volume of a job is, while it runs and in the end (rest-api.md 2.12)."""

from __future__ import annotations

import json

import pytest
from cloudcasa_contract.commands import Artifacts, PvcInfo, StorageClassInfo, VolumeResult
from cloudcasa_contract.frames import Progress, Report, VolumeProgress
from cloudcasa_server.job.volumes import forward, snapshot_counts

from tests.support.scripted_agent import a_backup, an_inventory, answer, eventually


def a_volume(name="data", **fields):
    return VolumeProgress(namespace="web", pvc=name, **({"phase": "InProgress", "bytes_total": 10, "bytes_done": 5} | fields))


def a_result(name="data", **fields):
    return VolumeResult(namespace="web", pvc=name, **({"method": "CSISnapshot", "is_data_moved": True, "size_bytes": 10} | fields))


def unanswered(command):
    return None if command.command.kind == "backup.run" else answer(command)


async def a_running_copy(server, agent):
    await server.state(agent.cluster_id, "ACTIVE")
    backup = await server.a_backup(agent.cluster_id)
    offload = await server.make("kubeoffloads", name="web", backupdef=backup["_id"])
    await server.act(f"kubeoffloads/{offload['_id']}/action/run")
    return await agent.command("backup.run")


async def rows(server, **where):
    found = await server.get("kubepvcprogress", where=json.dumps(where), sort="name")
    return found["_items"]


async def test_volumes_are_followed_and_ended(server):
    await server.a_store()
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster, answers=unanswered)).connected() as agent:
        sent = await a_running_copy(server, agent)
        volumes = (a_volume("a"), a_volume("b", phase="Accepted", bytes_done=0), a_volume("c"), a_volume("d"))
        await agent.send(Progress(command_id=sent.command_id, volumes=volumes))
        await agent.send(Progress(command_id=sent.command_id, volumes=(a_volume("a", phase="Completed", bytes_done=10),)))

        async def look():
            found = await rows(server)
            return found if [row["state"] for row in found] == ["COMPLETED", "PENDING", "ACTIVE", "ACTIVE"] else None

        on_the_way = await eventually(look)
        assert {row["op_type"] for row in on_the_way} == {"COPY"}
        assert on_the_way[0]["stats"] == {"estimated_size": 10, "io_size": 10, "transferred_size": 10}
        assert ("start_time" in on_the_way[1], "end_time" in on_the_way[0]) == (False, True)
        results = (a_result("a"), a_result("b", is_data_moved=False), a_result("c", skipped_reason="not bound"))
        await agent.finish(sent, a_backup(artifacts=Artifacts(volumes=results)))
        job = await server.job(cluster=cluster["_id"])
    ended = await rows(server, job_id=job["_id"])
    assert [row["state"] for row in ended] == ["COMPLETED", "FAILED", "SKIPPED", "FAILED"]
    assert [row["message"] for row in ended][1:3] == ["volume web/b was only snapshotted, its data was not copied", "not bound"]
    assert "before this volume was told done" in ended[3]["message"]
    assert all(row["end_time"] for row in ended)
    (embedded,) = (await server.get("kubepvcprogress", embedded='{"job_id":1}', where='{"name":"a"}'))["_items"]
    assert embedded["job_id"]["_id"] == job["_id"]


async def test_volumes_of_a_snapshot_run_are_counted(server):
    await server.a_store()
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster)).connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        job = await server.job(backupdef=backup["_id"])
    assert job["kube_snapshot_progress"] | {"total_pvs": 1, "completed_pvs": 1, "failed_pvs": 0} == job["kube_snapshot_progress"]
    (row,) = await rows(server, job_id=job["_id"])
    assert (row["op_type"], row["state"], row["snapshot_progress_percentage"], row["name"]) == ("SNAP", "COMPLETED", 100, "data")


async def test_phase_of_a_copy_stays_the_servers_word(server):
    await server.a_store()
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster, answers=unanswered)).connected() as agent:
        sent = await a_running_copy(server, agent)
        await agent.send(Progress(command_id=sent.command_id, phase="WaitingForPluginOperations", items_total=3))
        await agent.send(Report(message_id="after"))
        await agent.until(lambda: "after" in agent.acks())
        (job,) = (await server.get("jobs"))["_items"]
    assert (job["phase"], job["num_total_resources"]) == ("OFFLOAD_RUNNING", 3)


async def test_volumes_of_a_deleted_cluster_are_ended(server):
    await server.a_store()
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster, answers=unanswered)).connected() as agent:
        sent = await a_running_copy(server, agent)
        await agent.send(Progress(command_id=sent.command_id, volumes=(a_volume(),)))
        await eventually(lambda: rows(server))
        await server.api.delete(f"/api/v1/kubeclusters/{cluster['_id']}")
    assert [row["state"] for row in await rows(server)] == ["FAILED"]


@pytest.mark.parametrize("method", ["post", "delete"])
async def test_rows_are_the_servers(server, method):
    assert (await getattr(server.api, method)("/api/v1/kubepvcprogress")).status_code == 405


def test_late_frame_does_not_bring_a_done_volume_back():
    old = {"state": "COMPLETED", "end_time": 1, "stats": {"io_size": 10}}
    assert forward(old, {"state": "ACTIVE", "stats": {"io_size": 5}}, now=2) == {}
    corrected = forward(old, {"state": "FAILED", "stats": {"estimated_size": 10}}, now=2)
    assert corrected == {"state": "FAILED", "stats": {"io_size": 10, "estimated_size": 10}, "start_time": 2}


def test_snapshots_are_counted_by_how_they_ended():
    volumes = [a_result("a"), a_result("b", succeeded=False), a_result("c", skipped_reason="x"), a_result("d", is_data_moved=False)]
    counts = {"total_pvs": 4, "pending_pvs": 0, "active_pvs": 0, "completed_pvs": 2, "failed_pvs": 1, "skipped_pvs": 1}
    assert snapshot_counts(volumes) == counts


async def test_inventory_shows_all_that_the_agent_tells(server):
    cluster = await server.a_cluster()
    claim = PvcInfo(
        namespace="web", name="data", driver="d", uid="u-2", volume_name="pv-1", volume_handle="h", volume_mode="Block", zone="z"
    )
    kept = StorageClassInfo(name="fast", provisioner="d", snapshot_class="snap", uid="u-3", parameters={"csi.storage.k8s.io/fstype": "xfs"})
    told = {"pvcs": (claim,), "storage_classes": (kept,), "namespace_uids": {"web": "u-1"}}
    async with (await server.an_agent(cluster)).connected() as agent:
        await agent.send(Report(message_id="one", inventory=an_inventory(namespaces=("web",)).model_copy(update=told)))
        await agent.until(lambda: "one" in agent.acks())
    ((namespace,), (pvc,), (storage_class,)) = [
        (await server.get(name))["_items"] for name in ("kubenamespaces", "kubepvclaims", "kubestorageclasses")
    ]
    assert (namespace["k8s_uid"], pvc["k8s_uid"], storage_class["k8s_uid"]) == ("u-1", "u-2", "u-3")
    assert (pvc["pv_name"], pvc["volume_handle"], pvc["volume_mode"], pvc["zone_name"]) == ("pv-1", "h", "Block", "z")
    assert (pvc["volume_snapshot_class_name"], storage_class["parameters"]) == ("snap", {"csi.storage.k8s.io/fstype": "xfs"})
