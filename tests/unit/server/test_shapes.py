"""Clusters, restores, recovery points and jobs have every field of rest-api.md 2.1, 2.8, 2.9 and 2.11, of the right type, and take no other."""

from __future__ import annotations

import json
from itertools import count

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

_numbers = count()


def a_name():
    return f"shape-{next(_numbers)}"


async def a_point(shared, cluster, **changes):
    documents = shared.documents("backupinstances")
    fields = {
        "name": "backupinst-1",
        "state": "READY",
        "type": "COPY",
        "cluster": cluster["_id"],
        "cluster_name": cluster["name"],
        "backupdef": "a" * 24,
        "backupdef_name": "web",
        "objectstore": "b" * 24,
        "backup_job_id": a_name(),
        "start_time": 1,
        "retention": {"retainDays": 7, "numAlwaysRetain": 0},
        "backup_selection": {"namespaces": ["web", "db"]},
        "backup_location": {"bucket_name": "b", "prefix": "p", "backup_location_info": "lab (b)"},
        "status": {"locked": False},
        "velero": {"backup_name": "cc-1", "volumes": []},
    }
    return await documents.insert(documents.new(fields | changes))


async def test_every_field_of_a_cluster_is_echoed(shared):
    body = {
        "name": a_name(),
        "description": "Frankfurt",
        "tags": {"team": "shop"},
        "image_pull_secret_name": "pull",
        "container_registry": "registry.example:5000/mirror",
        "backup_provider": {"type": None, "region": None},
        "configuration": {"anything": [1, {"a": None}]},
        "agent_type": "PRO",
    }
    made = await shared.make("kubeclusters", **body)
    assert {key: made[key] for key in body} == body
    status = made["status"]
    assert (status["state"], status["kubeAgentManagerVersion"], status["dormant"], status["num_recovery_points"]) == (
        "REGISTERED",
        "0.0",
        False,
        0,
    )
    assert "otp" not in json.dumps(made)


async def test_type_of_an_agent_never_changes_and_survives_a_replacement_that_leaves_it_out(shared):
    made = await shared.a_cluster(a_name(), agent_type="VELERO")
    path, etag = f"/api/v1/kubeclusters/{made['_id']}", {"If-Match": made["_etag"]}
    refused = await shared.api.patch(path, json={"agent_type": "PRO"}, headers=etag)
    assert (refused.status_code, list(refused.json()["_issues"])) == (422, ["agent_type"])
    kept = await shared.api.put(path, json={"name": made["name"]}, headers=etag)
    assert (kept.status_code, kept.json()["agent_type"]) == (200, "VELERO")


async def test_cluster_with_a_velero_of_its_own_says_that_nothing_is_done(shared):
    cluster = await shared.a_cluster(a_name(), agent_type="VELERO")
    async with (await shared.an_agent(cluster)).connected() as agent:
        shown = await shared.state(cluster["_id"], "PENDING")
        assert "cannot look after a Velero of yours yet" in shown["status"]["message"]
        await shared.parts.clusters.sweep()
        assert agent.of_kind("engine.ensure") == []
    assert (await shared.documents("kubeclusters").get(cluster["_id"]))["agent"]["alert_at"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"image_pull_secret_name": "Not a name"},
        {"container_registry": "a b"},
        {"agent_type": "OTHER"},
        {"tags": {"a": 1}},
        {"configuration": "x"},
        {"backup_provider": {"user_objectstore": "f" * 24}},
        {"description": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_cluster_that_makes_no_sense_is_refused(shared, changes):
    response = await shared.post("kubeclusters", name=a_name(), **changes)
    assert (response.status_code, next(iter(response.json()["_issues"])).partition(".")[0]) == (422, next(iter(changes)))


async def test_every_field_of_a_restore_is_echoed(shared):
    cluster = await shared.a_cluster(a_name())
    point = await a_point(shared, cluster)
    body = {
        "name": a_name(),
        "description": "back",
        "tags": {"a": "b"},
        "backup_inst": point["_id"],
        "selection": {
            "all_namespaces": False,
            "namespaces": ["web"],
            "label_selector": {"a": "b,c"},
            "restorePersistentVolumes": False,
            "include_resource_types": ["pods"],
        },
        "pre_hooks": [],
        "post_hooks": [],
        "namespaces_prefix": "x-",
        "namespaces_suffix": "-y",
        "namespaces_map": {"web": "web2"},
        "storage_class_map": {"slow": "fast"},
        "options": {"preserve_node_ports": True},
    }
    made = await shared.make("kuberestores", **body)
    assert {key: made[key] for key in body} == body
    assert (made["cluster"], made["source_cluster"]) == (cluster["_id"], cluster["_id"])
    assert (made["status"]["state"], isinstance(made["status"]["last_job_run_time"], int)) == ("JOB_CREATED", True)
    assert {"migrationdef", "touched_namespaces"} & set(made) == set()
    where = {"migrationdef": {"$exists": False}, "$or": [{"cluster": cluster["_id"]}, {"source_cluster": cluster["_id"]}]}
    embedded = '{"cluster":1,"backup_inst":1,"backup_inst.cluster":1}'
    found = await shared.get("kuberestores", sort="-_updated", embedded=embedded, where=json.dumps(where))
    assert [each["backup_inst"]["cluster"]["name"] for each in found["_items"]] == [cluster["name"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("storage_class_map", {"a": "No such name"}),
        ("pre_hooks", [{"hooks": []}]),
        ("post_hooks", [{"hooks": ["f" * 24]}]),
        ("awseks", {"a": 1}),
        ("azure_aks", {"a": 1}),
        ("cloudaccount", "x"),
        ("migrationdef", "f" * 24),
        ("source_cluster", "f" * 24),
        ("namespaces_prefix", "Not ok"),
    ],
)
async def test_restore_that_cannot_be_done_as_written_is_refused_by_its_field(shared, field, value):
    cluster = await shared.a_cluster(a_name())
    point = await a_point(shared, cluster)
    response = await shared.post(
        "kuberestores", name=a_name(), backup_inst=point["_id"], selection={"all_namespaces": True}, **{field: value}
    )
    assert (response.status_code, list(response.json()["_issues"])) == (422, [field])
    assert (await shared.get("jobs", where=json.dumps({"backup_inst": point["_id"]})))["_items"] == []


async def test_recovery_points_are_listed_as_rancher_asks_and_never_written(shared):
    cluster = await shared.a_cluster(a_name())
    point = await a_point(shared, cluster, total_copy_data=5)
    where = json.dumps({"cluster": cluster["_id"], "state": "READY"})
    found = await shared.get("backupinstances", sort="-start_time", embedded='{"backupdef":1,"objectstore":1,"cluster":1}', where=where)
    (shown,) = found["_items"]
    assert (shown["retention"]["retainDays"], shown["backup_location"]["backup_location_info"], shown["total_copy_data"]) == (
        7,
        "lab (b)",
        5,
    )
    assert (shown["backupdef"], shown["objectstore"], shown["cluster"]["name"]) == ("a" * 24, "b" * 24, cluster["name"])
    assert "velero" not in shown
    path = f"/api/v1/backupinstances/{point['_id']}"
    for method in ("put", "patch"):
        assert (await getattr(shared.api, method)(path, json={"state": "READY"}, headers={"If-Match": point["_etag"]})).status_code == 405
    assert (await shared.post("backupinstances", name="x")).status_code == 405


async def test_locked_recovery_point_is_not_deleted_and_keeps_its_cluster(shared):
    cluster = await shared.a_cluster(a_name())
    point = await a_point(shared, cluster, status={"locked": True})
    for path in (f"backupinstances/{point['_id']}", f"kubeclusters/{cluster['_id']}"):
        response = await shared.api.delete(f"/api/v1/{path}")
        assert (response.status_code, "locked" in response.json()["_error"]["message"]) == (422, True)
    await shared.documents("backupinstances").set(point["_id"], {"expiry_timestamp": 1})
    assert (await shared.api.delete(f"/api/v1/kubeclusters/{cluster['_id']}")).status_code == 204


async def test_definitions_are_deleted_although_something_stands_on_them(shared):
    cluster = await shared.a_cluster(a_name())
    backup = await shared.a_backup(cluster["_id"], a_name())
    offload = await shared.make("kubeoffloads", name=a_name(), backupdef=backup["_id"])
    await a_point(shared, cluster, backupdef=backup["_id"], offload_def=offload["_id"])
    assert (await shared.api.delete(f"/api/v1/kubebackups/{backup['_id']}")).status_code == 204
    assert (await shared.get(f"kubeoffloads/{offload['_id']}"))["backupdef"] == backup["_id"]
    assert (await shared.api.delete(f"/api/v1/kubeoffloads/{offload['_id']}")).status_code == 204
    assert (await shared.api.delete(f"/api/v1/kubebackups/{backup['_id']}")).status_code == 404


async def test_job_of_every_run_has_what_tables_show(shared):
    cluster = await shared.a_cluster(a_name())
    backup = await shared.a_backup(cluster["_id"], a_name())
    offload = await shared.make("kubeoffloads", name=backup["name"], backupdef=backup["_id"])
    await shared.act(f"kubeoffloads/{offload['_id']}/action/run", retention={"retainDays": 3, "numAlwaysRetain": 1})
    job = await shared.job(backupdef=backup["_id"])
    assert (job["type"], job["display_type"], job["display_name"], job["state"]) == ("K8S_COPY", "K8S_COPY", backup["name"], "SKIPPED")
    assert (job["cluster"], job["cluster_name"]) == (cluster["_id"], cluster["name"])
    assert (job["backupdef"], job["backupdef_name"]) == (backup["_id"], backup["name"])
    assert (job["offloaddef"], job["offloaddef_name"]) == (offload["_id"], offload["name"])
    assert job["retention"] == {"retainDays": 3, "numAlwaysRetain": 1}
    assert {type(job[name]) for name in ("start_time", "end_time")} == {int}
    assert all(isinstance(line, str) for line in job["activity"])
    for definition in (await shared.get(f"kubebackups/{backup['_id']}"), await shared.get(f"kubeoffloads/{offload['_id']}")):
        assert {type(value) for run in definition["status"]["jobs"] for value in run.values()} == {str}
        assert definition["status"]["last_job_run_time"] == job["start_time"]


async def test_cancel_of_a_job_that_ended_is_refused_by_name(shared):
    cluster = await shared.a_cluster(a_name())
    backup = await shared.a_backup(cluster["_id"], a_name())
    await shared.act(f"kubebackups/{backup['_id']}/action/run")
    job = await shared.job(backupdef=backup["_id"])
    response = await shared.post(f"jobs/{job['_id']}/action/cancel")
    assert (response.status_code, job["name"] in response.json()["_error"]["message"]) == (422, True)
