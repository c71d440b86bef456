"""The Terraform provider, request by request and byte by byte, decoding as strictly as Go does (rest-api.md 4, rest-api-examples.md 1 to 7)."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.clients import Terraform
from tests.support.go import JOB, KUBEBACKUP, KUBECLUSTER, KUBEOFFLOAD, OBJECTSTORE, POLICY, page
from tests.support.raw import exchange, request
from tests.support.scripted_agent import answer as successful
from tests.support.scripted_agent import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

HIDDEN_TYPES = ["DELETE_BACKUP", "AWSRDS_BACKUP_DELETE", "AGENT_UPDATE"]
DONE = {"COMPLETED", "SKIPPED", "PARTIAL", "CANCELLED"}
KEYS = {"access_key": "AKLAB", "secret_key": "s3cr3t"}
NIGHTLY = {
    "name": "nightly",
    "timezone": "America/New_York",
    "schedules": [{"retainDays": 12, "locked": False, "schedule": {"cronSpec": "30 0 * * MON,FRI"}}],
}


@pytest.fixture
def server(lent):
    return lent


@pytest.fixture
def terraform(server):
    return Terraform(server)


def a_store_body(name="minio-lab", **fields):
    provider = {"endpoint": "https://minio.lab.example:9000", "credentials": KEYS}
    body = {"name": name, "private": False, "provider_type": "aws", "bucket_name": "lab-backups", "region": "us-east-1"}
    return body | {"skip_tls_certificate_validation": True, "s3provider": provider} | fields


async def a_cluster(terraform):
    """Register a cluster with its store as the provider does, both still there."""
    store = await terraform.create("objectstores", OBJECTSTORE, a_store_body())
    cluster = await terraform.create(
        "kubeclusters", KUBECLUSTER, {"backup_provider": {"user_objectstore": store["_id"]}, "name": "prod-eu"}
    )
    return store, cluster


async def an_agent(terraform, cluster, **script):
    """Fetch the manifest as kubectl does, without a key, and start what it describes."""
    path = cluster["status"]["agentUrl"].removeprefix(terraform.server.url)
    answer = await exchange(int(terraform.server.url.rpartition(":")[2]), request("GET", path, "User-Agent: curl/8", "Accept: */*"))
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, "application/x-yaml")
    assert answer.content.startswith(b"apiVersion: v1") or b"\nkind: List" in answer.content
    return await terraform.server.an_agent({"_id": cluster["_id"], "status": {"agentURL": cluster["status"]["agentUrl"]}}, **script)


async def active(terraform, cluster):
    async def look():
        found = await terraform.read("kubeclusters", KUBECLUSTER, cluster["_id"])
        return found if found["status"]["state"] == "ACTIVE" else None

    return await eventually(look)


async def wait_for_run(terraform, backup_id, since):
    """Poll as the provider does after a run."""
    where = {"type": {"$nin": HIDDEN_TYPES}, "backupdef": backup_id, "start_time": {"$gt": since}}
    query = terraform.query(where=where, sort="-start_time", page="1", max_results="5")

    async def look():
        found = await terraform.call("GET", "jobs", page(JOB), "Cookie: auth0.is.authenticated=true", query=query)
        return found["_items"][0] if found["_items"] else None

    job = await eventually(look)

    async def ended():
        shown = await terraform.read("jobs", JOB, job["_id"])
        return shown if shown["state"] in DONE else None

    return await eventually(ended)


async def test_policy_is_made_read_changed_and_deleted(terraform):
    made = await terraform.create("policies", POLICY, NIGHTLY)
    assert {key: made[key] for key in NIGHTLY} == NIGHTLY
    assert await terraform.read("policies", POLICY, made["_id"]) == made | {"_status": ""}
    changed = NIGHTLY | {"timezone": "UTC"}
    updated = await terraform.update("policies", POLICY, made["_id"], made["_etag"], changed)
    assert {key: updated[key] for key in NIGHTLY} == changed
    assert updated["_etag"] != made["_etag"]
    stale = await terraform.send("PUT", f"/api/v1/policies/{made['_id']}", f"If-Match: {made['_etag']}", body=NIGHTLY)
    assert (stale.status, bool(stale.message)) == (412, True)
    missing = await terraform.send("PUT", f"/api/v1/policies/{made['_id']}", body=NIGHTLY)
    assert (missing.status, "If-Match" in missing.message) == (428, True)
    await terraform.destroy("policies", made["_id"])
    assert (await terraform.send("GET", f"/api/v1/policies/{made['_id']}")).status == 404


@pytest.mark.parametrize("kind", ["s3", "azure"])
async def test_object_store_is_made_refreshed_changed_and_deleted(terraform, kind):
    azure = {"subscription_id": "aa", "tenant_id": "bb", "client_id": "cc", "client_secret": "xyz"}
    provider = {"credentials": azure, "cloud": "Public", "resource_group_name": "rg-lab", "storage_account_name": "labstore"}
    blob = {"name": "blob-lab", "private": False, "provider_type": "azure", "region": "eastus", "s3provider": provider}
    body = a_store_body() if kind == "s3" else blob
    made = await terraform.create("objectstores", OBJECTSTORE, body)
    refreshed = await terraform.read("objectstores", OBJECTSTORE, made["_id"])
    for shown in (made, refreshed):
        assert shown["s3provider"]["credentials"] == {}
        plain = {key: value for key, value in body.items() if key != "s3provider"}
        assert {key: shown[key] for key in plain} == plain
        there = {key: value for key, value in body["s3provider"].items() if key != "credentials"}
        assert {key: shown["s3provider"][key] for key in there} == there
    updated = await terraform.update("objectstores", OBJECTSTORE, made["_id"], refreshed["_etag"], body | {"name": "renamed"})
    assert (updated["_id"], updated["name"]) == (made["_id"], "renamed")
    await terraform.destroy("objectstores", made["_id"])
    assert (await terraform.create("objectstores", OBJECTSTORE, body))["_id"] != made["_id"]


async def test_object_store_without_keys_is_refused_with_the_sentence_and_nothing_stays(terraform):
    body = a_store_body(s3provider={"endpoint": "https://minio.lab.example:9000", "credentials": {}})
    refused = await terraform.send("POST", "/api/v1/objectstores", body=body)
    assert refused.status == 422
    assert "credentials and permissions" in refused.message
    assert (await terraform.call("GET", "objectstores", page(OBJECTSTORE)))["_items"] == []


async def test_private_object_store_is_kept_with_its_proxy(terraform):
    _, cluster = await a_cluster(terraform)
    body = a_store_body("isolated", private=True, bucket_name="inside", proxy_cluster_list=[cluster["_id"]])
    made = await terraform.create("objectstores", OBJECTSTORE, body)
    assert (made["private"], made["proxy_cluster_list"]) == (True, [cluster["_id"]])


async def test_cluster_is_installed_refreshed_renamed_and_destroyed(terraform):
    store, cluster = await a_cluster(terraform)
    assert cluster["status"]["state"] == "REGISTERED"
    assert cluster["status"]["agentUrl"]
    assert not set(cluster["status"]["agentUrl"].removeprefix(terraform.server.url)) & set("&;?#() ")
    duplicate = await terraform.send("POST", "/api/v1/kubeclusters", body={"name": "prod-eu"})
    assert (duplicate.status, "prod-eu" in duplicate.message) == (422, True)
    async with (await an_agent(terraform, cluster)).connected():
        shown = await active(terraform, cluster)
        assert shown["_etag"] == cluster["_etag"]
        assert shown["backup_provider"] == {"user_objectstore": store["_id"]}
        renamed = await terraform.update("kubeclusters", KUBECLUSTER, cluster["_id"], cluster["_etag"], {"name": "prod-eu-1"})
        assert (renamed["status"]["state"], renamed["backup_provider"]["user_objectstore"]) == ("ACTIVE", "")
        assert renamed["status"]["agentUrl"] == cluster["status"]["agentUrl"]
        await terraform.destroy("kubeclusters", cluster["_id"])
    await terraform.destroy("objectstores", store["_id"])


async def test_snapshot_backup_runs_on_apply_again_and_is_destroyed(terraform):
    _, cluster = await a_cluster(terraform)
    async with (await an_agent(terraform, cluster)).connected():
        await active(terraform, cluster)
        source = {"all_namespaces": False, "snapshotPersistentVolumes": True, "namespaces": ["web", "db"]}
        body = {"name": "web-snap", "cluster": cluster["_id"], "trigger_type": "ADHOC", "source": source, "status": {}}
        backup = await terraform.create("kubebackups", KUBEBACKUP, body)
        assert (backup["source"], backup["policy"], backup["copydef"]) == (source, "", "")
        run = {"retention": {"retainDays": 7}, "runBackup": True}
        first = await terraform.call("POST", f"kubebackups/{backup['_id']}/action/run", KUBEBACKUP, body=run)
        assert (first["_id"], first["status"]["last_job_run_time"], first["_etag"]) == (backup["_id"], 0, backup["_etag"])
        job = await wait_for_run(terraform, first["_id"], 0)
        assert (job["state"], job["type"]) == ("COMPLETED", "K8S_SNAP")
        again = await terraform.call("POST", f"kubebackups/{backup['_id']}/action/run", KUBEBACKUP, body=run)
        assert again["status"]["last_job_run_time"] == job["start_time"]
        second = await wait_for_run(terraform, backup["_id"], job["start_time"])
        assert second["start_time"] > job["start_time"]
        shown = await terraform.read("kubebackups", KUBEBACKUP, backup["_id"])
        assert [one["jobid"] for one in shown["status"]["jobs"]] == [second["_id"], job["_id"]]
        await terraform.destroy("kubebackups", backup["_id"])


async def test_run_on_a_cluster_that_is_away_ends_as_skipped(terraform):
    _, cluster = await a_cluster(terraform)
    body = {"name": "x", "cluster": cluster["_id"], "trigger_type": "ADHOC", "source": {"all_namespaces": True}, "status": {}}
    backup = await terraform.create("kubebackups", KUBEBACKUP, body)
    await terraform.call(
        "POST", f"kubebackups/{backup['_id']}/action/run", KUBEBACKUP, body={"retention": {"retainDays": 7}, "runBackup": True}
    )
    assert (await wait_for_run(terraform, backup["_id"], 0))["state"] == "SKIPPED"


def a_copy(backup, cluster, store, **fields):
    body = {"name": "all-copy", "cluster": cluster["_id"], "trigger_type": "SCHEDULED", "backupdef": backup["_id"], "run_backup": True}
    return body | {"offload_provider": {"user_objectstore": store["_id"]}, "status": {}} | fields


async def test_copy_backup_is_applied_refreshed_changed_switched_off_and_destroyed(terraform):
    store, cluster = await a_cluster(terraform)
    policy = await terraform.create("policies", POLICY, NIGHTLY)
    source = {"all_namespaces": True, "snapshotPersistentVolumes": True}
    plain = {"name": "all-copy", "cluster": cluster["_id"], "trigger_type": "SCHEDULED", "source": source, "status": {}}
    backup = await terraform.create("kubebackups", KUBEBACKUP, plain | {"policy": policy["_id"]})
    options = {"pvc_parallelism": 4, "upload_speed_limit": 100000000}
    copy = a_copy(backup, cluster, store, policy=policy["_id"], options=options)
    offload = await terraform.create("kubeoffloads", KUBEOFFLOAD, copy)
    assert {key: offload[key] for key in copy if key != "status"} == {key: value for key, value in copy.items() if key != "status"}
    linked = await terraform.update("kubebackups", KUBEBACKUP, backup["_id"], backup["_etag"], plain | {"copydef": offload["_id"]})
    assert (linked["copydef"], linked["copy_policy"], linked["policy"]) == (offload["_id"], policy["_id"], "")
    async with (await an_agent(terraform, cluster)).connected() as agent:
        await active(terraform, cluster)
        held = await terraform.send("DELETE", f"/api/v1/objectstores/{store['_id']}")
        assert (held.status, 'cluster "prod-eu"' in held.message) == (422, True)
        body = {"retention": {"retainDays": 7}, "runBackup": True}
        run = await terraform.call("POST", f"kubeoffloads/{offload['_id']}/action/run", KUBEOFFLOAD, body=body)
        assert (run["backupdef"], run["status"]["last_job_run_time"]) == (backup["_id"], 0)
        job = await wait_for_run(terraform, run["backupdef"], run["status"]["last_job_run_time"])
        assert (job["type"], job["offloaddef"], job["backupdef"]) == ("K8S_COPY", offload["_id"], backup["_id"])
        assert (await agent.command("backup.run")).command.move_data is True
    refreshed = await terraform.read("kubebackups", KUBEBACKUP, backup["_id"])
    assert refreshed["_etag"] == linked["_etag"]
    shown = await terraform.read("kubeoffloads", KUBEOFFLOAD, refreshed["copydef"])
    assert (shown["_etag"], shown["options"], shown["policy"]) == (offload["_etag"], options, policy["_id"])
    assert (shown["status"]["state"], shown["status"]["jobid"]) == ("JOB_CREATED", job["_id"])

    off = await terraform.update("kubebackups", KUBEBACKUP, backup["_id"], refreshed["_etag"], plain)
    assert (off["copydef"], off["copy_policy"]) == ("", "")
    current = await terraform.read("kubeoffloads", KUBEOFFLOAD, offload["_id"])
    bare = a_copy(backup, cluster, store, trigger_type="ADHOC", offload_provider={})
    changed = await terraform.update("kubeoffloads", KUBEOFFLOAD, offload["_id"], current["_etag"], bare)
    assert (changed["offload_provider"]["user_objectstore"], changed["options"], changed["policy"]) == ("", {}, "")
    on = await terraform.update("kubebackups", KUBEBACKUP, backup["_id"], off["_etag"], plain | {"copydef": offload["_id"]})
    assert (on["copydef"], on["copy_policy"]) == (offload["_id"], "")
    await terraform.destroy("kubeoffloads", offload["_id"])
    assert (await terraform.read("kubebackups", KUBEBACKUP, backup["_id"]))["name"] == "all-copy"
    for resource, one in (("kubebackups", backup), ("policies", policy), ("kubeclusters", cluster), ("objectstores", store)):
        await terraform.destroy(resource, one["_id"])
    assert (await terraform.server.get("backupinstances"))["_items"] == []


async def test_backup_whose_copy_is_refused_is_taken_back(terraform):
    _, cluster = await a_cluster(terraform)
    body = {"name": "x", "cluster": cluster["_id"], "trigger_type": "SCHEDULED", "source": {"all_namespaces": True}, "status": {}}
    backup = await terraform.create("kubebackups", KUBEBACKUP, body)
    refused = await terraform.send("POST", "/api/v1/kubeoffloads", body=a_copy(backup, cluster, {"_id": "f" * 24}))
    assert (refused.status, "f" * 24 in refused.message) == (422, True)
    await terraform.destroy("kubebackups", backup["_id"])


async def test_switching_a_copy_off_leaves_the_orphan_without_effect(terraform):
    store, cluster = await a_cluster(terraform)
    plain = {"name": "x", "cluster": cluster["_id"], "trigger_type": "SCHEDULED", "source": {"all_namespaces": True}, "status": {}}
    backup = await terraform.create("kubebackups", KUBEBACKUP, plain)
    offload = await terraform.create("kubeoffloads", KUBEOFFLOAD, a_copy(backup, cluster, store))
    linked = await terraform.update("kubebackups", KUBEBACKUP, backup["_id"], backup["_etag"], plain | {"copydef": offload["_id"]})
    off = await terraform.update("kubebackups", KUBEBACKUP, backup["_id"], linked["_etag"], plain)
    assert off["_etag"] == backup["_etag"]
    await terraform.destroy("kubebackups", backup["_id"])
    assert (await terraform.read("kubeoffloads", KUBEOFFLOAD, offload["_id"]))["backupdef"] == backup["_id"]


async def test_ten_resources_at_once_are_made_and_destroyed(terraform):
    names = [f"policy-{number}" for number in range(10)]
    made = await asyncio.gather(*(terraform.create("policies", POLICY, NIGHTLY | {"name": name}) for name in names))
    assert sorted(one["name"] for one in made) == names
    await asyncio.gather(*(terraform.destroy("policies", one["_id"]) for one in made))


async def test_failed_run_decodes_to_the_end(terraform):
    _, cluster = await a_cluster(terraform)

    def failing(command):
        return None if command.command.kind == "backup.run" else successful(command)

    async with (await an_agent(terraform, cluster, answers=failing)).connected() as agent:
        await active(terraform, cluster)
        body = {"name": "x", "cluster": cluster["_id"], "trigger_type": "ADHOC", "source": {"namespaces": ["web"]}, "status": {}}
        backup = await terraform.create("kubebackups", KUBEBACKUP, body)
        run = {"retention": {"retainDays": 7}, "runBackup": True}
        await terraform.call("POST", f"kubebackups/{backup['_id']}/action/run", KUBEBACKUP, body=run)
        await agent.command("backup.run")
        await terraform.destroy("kubeclusters", cluster["_id"])
        where = {"backupdef": backup["_id"]}
        (job,) = (await terraform.call("GET", "jobs", page(JOB), query=terraform.query(where=where)))["_items"]
        assert (job["state"], "was deleted" in job["message"]) == ("FAILED", True)
        shown = await terraform.read("kubebackups", KUBEBACKUP, backup["_id"])
        assert shown["status"]["jobs"] == [{"jobid": job["_id"], "state": "FAILED", "message": job["message"]}]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", f"policies/{'0' * 24}", (), 404),
        ("PUT", f"policies/{'0' * 24}", ("If-Match: x",), 404),
        ("DELETE", f"policies/{'0' * 24}", (), 404),
        ("POST", "policies", (), 422),
    ],
)
async def test_refusals_are_printed_by_the_provider_as_they_are(terraform, method, path, headers, status):
    answer = await terraform.send(method, f"/api/v1/{path}", *headers, body={"name": ""} if method in {"PUT", "POST"} else None)
    assert answer.status == status
    assert len(answer.message) > 10
    assert json.loads(answer.content)["_error"]["code"] == status
