"""The calls of the Terraform provider, in its order and with its bodies (rest-api.md 4.3 to 4.5), and those of Rancher (5)."""

from __future__ import annotations

import json

from tests.support.scripted_agent import eventually
from tests.support.server import a_store_body

HIDDEN_TYPES = ["DELETE_BACKUP", "AWSRDS_BACKUP_DELETE", "AGENT_UPDATE"]
DONE = {"COMPLETED", "SKIPPED", "PARTIAL", "CANCELLED"}


async def find_job(server, backup_id, since):
    where = json.dumps({"type": {"$nin": HIDDEN_TYPES}, "backupdef": backup_id, "start_time": {"$gt": since}})

    async def look():
        found = await server.get("jobs", where=where, sort="-start_time", page=1, max_results=5)
        return found["_items"][0] if found["_items"] else None

    job = await eventually(look)
    assert isinstance(job["start_time"], int)
    assert all(isinstance(line, str) for line in job["activity"])

    async def ended():
        shown = await server.get(f"jobs/{job['_id']}")
        return shown if shown["state"] in DONE else None

    return await eventually(ended)


async def an_active_cluster(server):
    store = await server.make("objectstores", **a_store_body("minio-lab"))
    cluster = await server.make("kubeclusters", backup_provider={"user_objectstore": store["_id"]}, name="prod-eu")
    assert cluster["_status"] == "OK"
    return store, cluster


async def test_snapshot_backup_with_run_on_apply(server):
    _, cluster = await an_active_cluster(server)
    async with (await server.an_agent(cluster)).connected():
        await server.state(cluster["_id"], "ACTIVE")
        body = {
            "name": "web-snap",
            "cluster": cluster["_id"],
            "trigger_type": "ADHOC",
            "source": {"all_namespaces": False, "snapshotPersistentVolumes": True, "namespaces": ["web", "db"]},
            "status": {},
        }
        backup = await server.make("kubebackups", **body)
        assert {key: backup[key] for key in body} == body
        run = await server.act(f"kubebackups/{backup['_id']}/action/run", retention={"retainDays": 7}, runBackup=True)
        since = run["status"].get("last_job_run_time", 0)
        job = await find_job(server, run["_id"], since)
        assert job["state"] == "COMPLETED"
        again = await server.act(f"kubebackups/{backup['_id']}/action/run", retention={"retainDays": 7}, runBackup=True)
        assert again["status"]["last_job_run_time"] == job["start_time"]
        second = await find_job(server, backup["_id"], again["status"]["last_job_run_time"])
        assert second["_id"] != job["_id"]
    assert (await server.api.delete(f"/api/v1/kubebackups/{backup['_id']}")).status_code == 204


async def test_copy_backup_create_update_switch_off_and_delete(server):
    store, cluster = await an_active_cluster(server)
    schedules = [{"retainDays": 12, "locked": False, "schedule": {"cronSpec": "30 0 * * MON,FRI"}}]
    policy = await server.make("policies", name="nightly", timezone="America/New_York", schedules=schedules)
    source = {"all_namespaces": True, "snapshotPersistentVolumes": True}
    first = {
        "name": "all-copy",
        "cluster": cluster["_id"],
        "policy": policy["_id"],
        "trigger_type": "SCHEDULED",
        "source": source,
        "status": {},
    }
    backup = await server.make("kubebackups", **first)
    offload = await server.make(
        "kubeoffloads",
        name="all-copy",
        cluster=cluster["_id"],
        trigger_type="SCHEDULED",
        backupdef=backup["_id"],
        run_backup=True,
        policy=policy["_id"],
        offload_provider={"user_objectstore": store["_id"]},
        options={"pvc_parallelism": 4, "upload_speed_limit": 100000000},
        status={},
    )
    assert offload["options"] == {"pvc_parallelism": 4, "upload_speed_limit": 100000000}
    second = {key: value for key, value in first.items() if key != "policy"} | {"copydef": offload["_id"]}
    put = await server.api.put(f"/api/v1/kubebackups/{backup['_id']}", json=second, headers={"If-Match": backup["_etag"]})
    assert put.status_code == 200, put.text
    assert "policy" not in put.json()
    assert (put.json()["copydef"], put.json()["copy_policy"]) == (offload["_id"], policy["_id"])
    async with (await server.an_agent(cluster)).connected() as agent:
        await server.state(cluster["_id"], "ACTIVE")
        run = await server.act(f"kubeoffloads/{offload['_id']}/action/run", retention={"retainDays": 7}, runBackup=True)
        assert run["backupdef"] == backup["_id"]
        job = await find_job(server, run["backupdef"], run["status"].get("last_job_run_time", 0))
        assert (job["type"], job["offloaddef"], job["backupdef"]) == ("K8S_COPY", offload["_id"], backup["_id"])
        assert (await agent.command("backup.run")).command.move_data is True
    refreshed = await server.get(f"kubebackups/{backup['_id']}")
    without = {key: value for key, value in second.items() if key != "copydef"}
    put = await server.api.put(f"/api/v1/kubebackups/{backup['_id']}", json=without, headers={"If-Match": refreshed["_etag"]})
    assert put.status_code == 200
    assert "copy_policy" not in put.json()
    current = await server.get(f"kubeoffloads/{offload['_id']}")
    body = {"name": "all-copy", "cluster": cluster["_id"], "backupdef": backup["_id"], "offload_provider": {}, "status": {}}
    changed = await server.api.put(f"/api/v1/kubeoffloads/{offload['_id']}", json=body, headers={"If-Match": current["_etag"]})
    assert changed.status_code == 200
    assert changed.json()["offload_provider"] == {}
    assert "options" not in changed.json()
    assert (await server.api.delete(f"/api/v1/kubeoffloads/{offload['_id']}")).status_code == 204
    assert (await server.api.delete(f"/api/v1/kubebackups/{backup['_id']}")).status_code == 204
    assert (await server.api.delete(f"/api/v1/policies/{policy['_id']}")).status_code == 204


async def test_cluster_is_renamed_and_deleted(server):
    _, cluster = await an_active_cluster(server)
    put = await server.api.put(f"/api/v1/kubeclusters/{cluster['_id']}", json={"name": "prod-eu-1"}, headers={"If-Match": cluster["_etag"]})
    assert put.status_code == 200
    assert put.json()["status"]["agentURL"] == cluster["status"]["agentURL"]
    assert "backup_provider" not in put.json()
    assert (await server.api.delete(f"/api/v1/kubeclusters/{cluster['_id']}")).status_code == 204


async def test_rancher_detail_page_finds_every_table(server):
    _, cluster = await an_active_cluster(server)
    number = cluster["_id"]
    async with (await server.an_agent(cluster)).connected():
        await server.state(number, "ACTIVE")
        backup = await server.a_backup(number)
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        await server.job(backupdef=backup["_id"])
        shown = await server.get(f"kubeclusters/{number}", metrics='{"days": 7}', embedded=' {"backup_provider.user_objectstore": 1}\n')
        assert shown["backup_provider"]["user_objectstore"]["name"] == "minio-lab"
        assert shown["metrics"]["backup_job_success_percentage"] == 100
        either = {"migrationdef": {"$exists": False}, "$or": [{"cluster": number}, {"source_cluster": number}]}
        await server.get(
            "kuberestores", sort="-_updated", where=json.dumps(either), embedded='{"cluster":1,"backup_inst":1,"backup_inst.cluster":1}'
        )
        where = json.dumps({"migrationdef": {"$exists": False}, "cluster": number})
        (listed,) = (await server.get("kubebackups", sort="-_updated", where=where, embedded='{"policy":1,"copy_policy":1,"cluster":1}'))[
            "_items"
        ]
        assert listed["cluster"]["name"] == "prod-eu"
        ready = json.dumps({"cluster": number, "state": "READY"})
        (point,) = (
            await server.get("backupinstances", sort="-start_time", where=ready, embedded='{"backupdef":1,"objectstore":1,"cluster":1}')
        )["_items"]
        assert "s3cr3t" not in json.dumps(point)
        assert "repo_password" not in point["objectstore"]
        assert point["retention"]["retainDays"] == 7
        seen = json.dumps({"display_type": {"$nin": HIDDEN_TYPES, "$exists": True}, "cluster": number})
        (job,) = (await server.get("jobs", sort="-start_time", where=seen, embedded='{"backupdef":1,"restoredef":1,"awsrds.copydef":1}'))[
            "_items"
        ]
        assert (job["display_name"], job["message"]) == ("web", "Backup successful")
        assert "script" not in job
    current = await server.get(f"kubebackups/{backup['_id']}")
    paused = await server.api.patch(f"/api/v1/kubebackups/{backup['_id']}", json={"pause": True}, headers={"If-Match": current["_etag"]})
    assert paused.json()["pause"] is True
    assert paused.json()["_etag"] != current["_etag"]
