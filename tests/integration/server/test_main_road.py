"""The main road: register, connect, back up, copy, restore, delete — with a real server and an agent that answers."""

from __future__ import annotations

import json

import pytest


async def test_registered_cluster_becomes_active_and_backs_up(server):
    store = await server.a_store()
    cluster = await server.a_cluster(backup_provider={"user_objectstore": store["_id"]})
    assert cluster["status"]["state"] == "REGISTERED"
    agent = await server.an_agent(cluster)
    async with agent.connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"], trigger_type="ADHOC")
        answered = await server.act(f"kubebackups/{backup['_id']}/action/run", retention={"retainDays": 3}, runBackup=True)
        assert "last_job_run_time" not in answered["status"]
        job = await server.job(backupdef=backup["_id"])
        assert (job["state"], job["type"], job["message"]) == ("PARTIAL", "K8S_SNAP", job["message"]) or job["state"] == "COMPLETED"
        sent = await agent.command("backup.run")
    assert sent.command.storage.prefix == cluster["_id"]
    assert sent.command.storage.secret_key.get_secret_value() == "s3cr3t"
    assert sent.command.backup_name == f"cc-{cluster['_id'][-8:]}-{job['_id']}"
    assert not sent.command.move_data
    (point,) = (await server.get("backupinstances", where=json.dumps({"state": "READY"})))["_items"]
    assert (point["type"], point["backup_job_id"], point["pv_count"]) == ("SNAPSHOT", job["_id"], 1)
    assert point["backup_location"]["backup_location_info"] == "lab (lab-backups)"
    assert point["expiry_timestamp"] - point["end_time"] == 3 * 86400
    assert sent.command.ttl_seconds > 100 * 366 * 86400, "Velero would delete what is kept beyond its expiry"
    shown = await server.get(f"kubebackups/{backup['_id']}")
    assert shown["status"]["jobs"] == [{"jobid": job["_id"], "state": "COMPLETED", "message": "Backup successful"}]
    assert shown["status"]["last_job_run_time"] == job["start_time"]
    assert shown["_etag"] == backup["_etag"]
    log = await server.api.get(f"/api/v1/jobs/{job['_id']}/logs")
    assert log.text == "line one\nline two\n"


async def test_copy_restores_and_is_deleted(server):
    await server.a_store()
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster)
    async with agent.connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        offload = await server.make("kubeoffloads", name="web", backupdef=backup["_id"], offload_provider={}, status={})
        await server.act(f"kubeoffloads/{offload['_id']}/action/run", retention={"retainDays": 7}, runBackup=False)
        job = await server.job(backupdef=backup["_id"])
        assert (job["state"], job["type"], job["phase"]) == ("COMPLETED", "K8S_COPY", "OFFLOAD_COMPLETED")
        (point,) = (await server.get("backupinstances"))["_items"]
        assert (point["type"], point["total_copy_data"]) == ("COPY", 524288)
        restore = await server.make(
            "kuberestores",
            name="back",
            backup_inst=point["_id"],
            selection={"namespaces": ["web"]},
            namespaces_suffix="-copy",
        )
        assert restore["status"]["state"] == "JOB_CREATED"
        done = await server.job(restoredef=restore["_id"])
        assert (done["state"], done["message"]) == ("COMPLETED", "Restore successful")
        sent = await agent.command("restore.run")
        assert sent.command.namespace_map == {"web": "web-copy"}
        assert sent.command.backup_name == (await agent.command("backup.run")).command.backup_name
        assert (await server.api.delete(f"/api/v1/backupinstances/{point['_id']}")).status_code == 204
        gone = await server.job(backup_inst=point["_id"], type="DELETE_BACKUP")
        assert gone["state"] == "COMPLETED"
        assert (await server.api.get(f"/api/v1/backupinstances/{point['_id']}")).status_code == 404


async def test_job_is_fast(server):
    import time

    await server.a_store()
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster)
    async with agent.connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        began = time.monotonic()
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        await server.job(backupdef=backup["_id"])
        assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("path", ["healthz", "readyz"])
async def test_probes_need_no_key(server, path):
    response = await server.api.get(f"/{path}", headers={"Authorization": ""})
    assert (response.status_code, response.json()["status"]) == (200, "ok")
