"""The Rancher extension, request by request, after Rancher's proxy: braces unescaped, queries over several lines (rest-api.md 5, 1.7)."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from tests.support.clients import Rancher
from tests.support.go import ANY, Map

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = {"_items": [Map(ANY)], "_meta": {"total": int}}
HIDDEN = ["AWSRDS_BACKUP_DELETE", "AZURE_METRICS_UPDATE", "AGENT_UPDATE", "DELETE_BACKUP"]


@pytest.fixture
def server(lent):
    return lent


@pytest.fixture
def rancher(server):
    return Rancher(server)


async def rows(rancher, resource, *, is_stripped=True, **words):
    found = await rancher.call("GET", resource, PAGE, query=rancher.query(is_stripped=is_stripped, **words))
    return found["_items"]


async def registered(rancher, name="lab-prod"):
    return await rancher.call("POST", "kubeclusters", Map(ANY), body={"name": name, "description": "by Rancher"}, status=201)


async def test_key_can_be_typed_into_the_configure_page(rancher):
    assert re.fullmatch(r"[A-Za-z0-9_-]{100,255}", rancher.key)
    assert await rows(rancher, "kubeclusters") == []


async def test_wrong_key_is_told_by_a_failing_list(rancher):
    rancher.server.api.headers["Authorization"], right = "Bearer " + "x" * 120, rancher.server.api.headers["Authorization"]
    answer = await rancher.send("GET", "/api/v1/kubeclusters")
    rancher.server.api.headers["Authorization"] = right
    assert (answer.status, bool(answer.message)) == (401, True)


async def test_installing_reads_the_manifest_as_text_from_the_api_host(rancher):
    cluster = await registered(rancher)
    url = cluster["status"]["agentURL"]
    assert url.startswith(f"{rancher.server.url}/kubeclusteragents/")
    assert re.fullmatch(r"/kubeclusteragents/[\w-]{43}\.yaml", url.removeprefix(rancher.server.url))
    manifest = await rancher.send("GET", url.removeprefix(rancher.server.url))
    text = manifest.content.decode()
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    kinds = [item["kind"] for item in yaml.safe_load(text)["items"]]
    assert {"Namespace", "ServiceAccount", "ClusterRoleBinding", "Deployment"} <= set(kinds)
    again = await rancher.call("GET", f"kubeclusters/{cluster['_id']}", Map(ANY))
    assert (again["status"]["agentURL"], again["status"]["state"]) == (url, "REGISTERED")
    assert [item["_id"] for item in await rows(rancher, "kubeclusters")] == [cluster["_id"]]


def detail_queries(one):
    """Return the queries of the detail page in its order, laid out as its source has them."""
    either = f'\n        {{"migrationdef": {{"$exists": false}},\n         "$or": [{{"cluster": "{one}"}}, {{"source_cluster": "{one}"}}]}}\n      '
    ends = f'"$or": [{{"backup.cluster": "{one}"}},\n {{"restore.cluster": "{one}"}}]}}'
    moved = '{"backup.cluster": 1, "restore.cluster": 1, "policy": 1}'
    shown = json.dumps({"display_type": {"$nin": HIDDEN, "$exists": True}, "cluster": one}, indent=2)
    return [
        (
            "kuberestores",
            {"sort": "-_updated", "embedded": ' {"cluster": 1, "backup_inst": 1,\n "backup_inst.cluster": 1} ', "where": either},
        ),
        (
            "kubebackups",
            {
                "sort": "-_updated",
                "embedded": '{"policy": 1, "copy_policy": 1, "cluster": 1}',
                "where": f'{{"migrationdef": {{"$exists": false}}, "cluster": "{one}"}}',
            },
        ),
        ("kubemigrations", {"sort": "-_updated", "embedded": moved, "where": '{"is_replication": {"$eq": false},' + ends}),
        ("kubemigrations", {"sort": "-_updated", "embedded": moved, "where": '{"is_replication": {"$eq": true},' + ends}),
        (
            "backupinstances",
            {
                "sort": "-start_time",
                "embedded": '{"backupdef": 1, "objectstore": 1, "cluster": 1}',
                "where": f'{{"cluster": "{one}", "state": "READY"}}',
            },
        ),
        ("jobs", {"sort": "-start_time", "embedded": '{"backupdef": 1, "restoredef": 1, "awsrds.copydef": 1}', "where": shown}),
    ]


@pytest.mark.parametrize("is_stripped", [True, False], ids=["browser", "escaped line breaks"])
async def test_detail_page_of_an_empty_cluster_has_empty_tables(rancher, is_stripped):
    cluster = await registered(rancher)
    query = rancher.query(is_stripped=is_stripped, metrics='{"days": 7}', embedded='{"backup_provider.user_objectstore": 1}')
    shown = await rancher.call("GET", f"kubeclusters/{cluster['_id']}", {"_id": str, "metrics": Map(float)}, query=query)
    assert shown["metrics"]["total_num_backup_jobs"] == 0
    for resource, words in detail_queries(cluster["_id"]):
        assert await rows(rancher, resource, is_stripped=is_stripped, **words) == []


async def test_detail_page_finds_every_table(rancher):
    server = rancher.server
    store = await server.a_store("lab")
    cluster = await server.a_cluster(backup_provider={"user_objectstore": store["_id"]})
    one = cluster["_id"]
    async with (await server.an_agent(cluster)).connected():
        await server.state(one, "ACTIVE")
        policy = await server.make("policies", name="nightly", schedules=[{"retainDays": 3, "schedule": {"cronSpec": "30 0 * * *"}}])
        backup = await server.a_backup(one)
        offload = await server.make("kubeoffloads", name="web", backupdef=backup["_id"], policy=policy["_id"])
        linked = {"name": "web", "cluster": one, "source": {"namespaces": ["web"]}, "copydef": offload["_id"]}
        headers = {"If-Match": backup["_etag"]}
        assert (await server.api.put(f"/api/v1/kubebackups/{backup['_id']}", json=linked, headers=headers)).status_code == 200
        run = {"retention": {"retainDays": 7}, "runBackup": False}
        started = await rancher.call("POST", f"kubeoffloads/{offload['_id']}/action/run", Map(ANY), body=run)
        assert started["backupdef"] == backup["_id"]
        await server.job(backupdef=backup["_id"])
        point = (await server.get("backupinstances"))["_items"][0]
        restore = await server.make("kuberestores", name="back", backup_inst=point["_id"], selection={"all_namespaces": True})
        await server.job(restoredef=restore["_id"])
        found = [await rows(rancher, resource, **words) for resource, words in detail_queries(one)]
        query = rancher.query(metrics='{"days": 7}', embedded='{"backup_provider.user_objectstore": 1}')
        shown = await rancher.call("GET", f"kubeclusters/{one}", Map(ANY), query=query)
    assert shown["backup_provider"]["user_objectstore"]["name"] == "lab"
    assert shown["metrics"]["backup_job_success_percentage"] == 100
    assert all(isinstance(value, int) for value in shown["metrics"].values())
    (restored,), (backed,), migrations, replications, (copy,), jobs = found
    assert (restored["_id"], restored["cluster"]["name"], restored["backup_inst"]["cluster"]["_id"]) == (restore["_id"], "prod-eu", one)
    assert isinstance(restored["status"]["last_job_run_time"], int)
    assert (backed["copydef"], backed["copy_policy"]["name"], backed["pause"]) == (offload["_id"], "nightly", False)
    assert [type(value) for value in backed["status"]["jobs"][0].values()] == [str] * 3
    assert migrations == replications == []
    assert (copy["retention"]["retainDays"], copy["backup_location"]["backup_location_info"]) == (7, "lab (lab-backups)")
    assert isinstance(copy["total_copy_data"], int)
    assert copy["objectstore"]["name"] == "lab"
    assert {job["display_type"] for job in jobs} == {"K8S_COPY", "RESTORE"}
    assert all(isinstance(job["start_time"], int) and isinstance(job["end_time"], int) for job in jobs)
    text = json.dumps(found)
    assert not [secret for secret in ("s3cr3t", "repo_password", '"script"', '"agent"') if secret in text]


async def test_start_of_a_snapshot_only_backup_is_answered_with_404(rancher):
    run = {"retention": {"retainDays": 7}, "runBackup": False}
    answer = await rancher.send("POST", "/api/v1/kubeoffloads/undefined/action/run", body=run)
    assert (answer.status, "undefined" in answer.message) == (404, True)


async def test_backup_is_paused_and_resumed_with_the_etags_that_come_back(rancher):
    cluster = await registered(rancher)
    backup = await rancher.server.a_backup(cluster["_id"])
    etag = backup["_etag"]
    for pause in (True, False):
        changed = await rancher.call("PATCH", f"kubebackups/{backup['_id']}", Map(ANY), f"If-Match: {etag}", body={"pause": pause})
        assert (changed["pause"], changed["name"], changed["source"]) == (pause, backup["name"], backup["source"])
        etag = changed["_etag"]
    assert etag == backup["_etag"]
