"""Backup and copy definitions: every field of rest-api.md 2.6 and 2.7 is taken, judged and echoed; links between them stay true."""

from __future__ import annotations

import json
from itertools import count

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

_numbers = count()


def a_name():
    return f"definition-{next(_numbers)}"


async def a_pair(shared, **offload):
    name = a_name()
    cluster = await shared.a_cluster(name)
    backup = await shared.a_backup(cluster["_id"], name)
    return cluster, backup, await shared.make("kubeoffloads", name=name, backupdef=backup["_id"], **offload)


async def test_every_field_of_a_backup_is_echoed(shared):
    cluster = await shared.a_cluster(a_name())
    source = {
        "all_namespaces": True,
        "namespaces": ["z", "a"],
        "excluded_namespaces": ["kube-system"],
        "included_resources": ["pods", "persistentvolumeclaims"],
        "excluded_resources": ["events"],
        "label_selector": {"app": "a,b", "tier": "front"},
        "snapshotPersistentVolumes": False,
        "snapshot_longhorn": False,
        "include_unattached_pvcs": True,
        "csi_snapshot_timeout": 10,
    }
    body = {
        "name": a_name(),
        "description": "all of it",
        "tags": {"owner": "ops"},
        "cluster": cluster["_id"],
        "trigger_type": "ADHOC",
        "source": source,
        "pre_hooks": [],
        "post_hooks": [],
        "pause": True,
    }
    made = await shared.make("kubebackups", **body, status={"made": "up"})
    assert {key: made[key] for key in body} == body
    assert made["status"] == {}
    assert {"migrationdef", "copydef", "copy_policy", "policy", "velero"} & set(made) == set()


async def test_scheduled_backup_needs_no_policy(shared):
    cluster = await shared.a_cluster(a_name())
    assert (await shared.a_backup(cluster["_id"], a_name(), trigger_type="SCHEDULED"))["trigger_type"] == "SCHEDULED"


async def test_ordinary_definitions_are_found_by_having_no_migration(shared):
    cluster, backup, _ = await a_pair(shared)
    where = json.dumps({"migrationdef": {"$exists": False}, "cluster": cluster["_id"]})
    found = await shared.get("kubebackups", where=where, embedded='{"policy":1,"copy_policy":1,"cluster":1}', sort="-_updated")
    assert [each["_id"] for each in found["_items"]] == [backup["_id"]]
    assert found["_items"][0]["cluster"]["name"] == cluster["name"]


@pytest.mark.parametrize("field", ["migrationdef", "velero_k8s_uid", "copy_policy", "hook"])
async def test_fields_of_the_server_are_not_taken_from_clients(shared, field):
    cluster = await shared.a_cluster(a_name())
    body = {"name": a_name(), "cluster": cluster["_id"], "source": {"all_namespaces": True}, field: "a" * 24}
    response = await shared.post("kubebackups", **body)
    assert (response.status_code, list(response.json()["_issues"])) == (422, [field])


async def test_settings_of_a_users_velero_are_for_its_clusters_only(shared):
    velero = {"fs_backup": True, "storage_location": "default", "volume_snapshot_locations": ["aws"], "retention_days": 30}
    theirs = await shared.a_cluster(a_name(), agent_type="VELERO")
    ours = await shared.a_cluster(a_name())
    assert (await shared.a_backup(theirs["_id"], a_name(), velero=velero))["velero"] == velero
    response = await shared.post("kubebackups", name=a_name(), cluster=ours["_id"], source={"all_namespaces": True}, velero=velero)
    assert (response.status_code, "agent_type VELERO" in response.text) == (422, True)


async def test_cluster_of_a_definition_never_changes(shared):
    _, backup, _ = await a_pair(shared)
    other = await shared.a_cluster(a_name())
    path, etag = f"/api/v1/kubebackups/{backup['_id']}", {"If-Match": backup["_etag"]}
    response = await shared.api.patch(path, json={"cluster": other["_id"]}, headers=etag)
    assert (response.status_code, list(response.json()["_issues"])) == (422, ["cluster"])


async def test_copy_echoes_options_and_invents_nothing(shared):
    options = {
        "report_interval": 5,
        "pvc_parallelism": 4,
        "mover_ready_timeout": "20m",
        "azure_files_restore_options": {"method": "x", "pvc_restore_wait_seconds": 1},
        "unheard of": [1, None, {"a": 1.5}],
    }
    cluster, backup, offload = await a_pair(shared, options=options, offload_provider={"type": None}, trigger_type="ADHOC", status={})
    assert (offload["options"], offload["offload_provider"]) == (options, {"type": None})
    assert (offload["cluster"], offload["backupdef"]) == (cluster["_id"], backup["_id"])
    assert (offload["run_backup"], offload["delete_snapshots"], offload["status"]) == (False, True, {"state": "PENDING"})
    assert "policy" not in offload


async def test_copy_of_nothing_or_of_another_cluster_is_refused(shared):
    _, backup, _ = await a_pair(shared)
    other = await shared.a_cluster(a_name())
    for body, field in (
        ({}, "backupdef"),
        ({"backupdef": backup["_id"], "cluster": other["_id"]}, "cluster"),
        ({"backup_inst": "f" * 24}, "backup_inst"),
    ):
        response = await shared.post("kubeoffloads", name=a_name(), **body)
        assert (response.status_code, list(response.json()["_issues"])) == (422, [field])


async def test_copy_of_a_recovery_point_is_stored_and_its_run_is_not_pretended(shared):
    cluster = await shared.a_cluster(a_name())
    point = shared.documents("backupinstances").new(
        {
            "name": "point",
            "cluster": cluster["_id"],
            "state": "READY",
            "backup_selection": {"namespaces": ["web"]},
            "backup_job_id": a_name(),
        }
    )
    await shared.documents("backupinstances").insert(point)
    offload = await shared.make("kubeoffloads", name=a_name(), backup_inst=point["_id"])
    assert offload["cluster"] == cluster["_id"]
    response = await shared.post(f"kubeoffloads/{offload['_id']}/action/run")
    assert (response.status_code, "not supported yet" in response.text) == (501, True)


async def test_deleted_copy_is_cut_from_its_backup_without_a_new_etag(shared):
    policy = await shared.make("policies", name=a_name(), schedules=[{"schedule": {"cronSpec": "0 1 * * *"}}])
    _, backup, offload = await a_pair(shared, policy=policy["_id"])
    path, etag = f"/api/v1/kubebackups/{backup['_id']}", {"If-Match": backup["_etag"]}
    linked = (await shared.api.patch(path, json={"copydef": offload["_id"]}, headers=etag)).json()
    assert linked["copy_policy"] == policy["_id"]
    assert (await shared.api.delete(f"/api/v1/kubeoffloads/{offload['_id']}")).status_code == 204
    shown = await shared.get(f"kubebackups/{backup['_id']}")
    assert {"copydef", "copy_policy"} & set(shown) == set()
    assert (shown["_etag"], shown["_updated"]) == (linked["_etag"], linked["_updated"])
    again = await shared.api.patch(path, json={"pause": True}, headers={"If-Match": linked["_etag"]})
    assert (again.status_code, again.json()["pause"]) == (200, True)


async def test_mirror_of_the_policy_follows_the_copy(shared):
    schedules = [{"schedule": {"cronSpec": "0 1 * * *"}}]
    first, second = [await shared.make("policies", name=a_name(), schedules=schedules) for _ in range(2)]
    _, backup, offload = await a_pair(shared, policy=first["_id"])
    path, etag = f"/api/v1/kubebackups/{backup['_id']}", {"If-Match": backup["_etag"]}
    await shared.api.patch(path, json={"copydef": offload["_id"]}, headers=etag)
    changed = await shared.api.patch(
        f"/api/v1/kubeoffloads/{offload['_id']}", json={"policy": second["_id"]}, headers={"If-Match": offload["_etag"]}
    )
    assert changed.status_code == 200, changed.text
    assert (await shared.get(f"kubebackups/{backup['_id']}"))["copy_policy"] == second["_id"]


async def test_action_of_a_copy_that_is_not_there_is_404_in_json(shared):
    response = await shared.post("kubeoffloads/undefined/action/run", retention={"retainDays": 7}, runBackup=False)
    assert (response.status_code, response.json()["_status"]) == (404, "ERR")


async def test_store_of_a_live_copy_is_not_deleted_and_one_of_an_orphaned_copy_is(shared):
    store = await shared.a_store(a_name())
    _, backup, offload = await a_pair(shared, offload_provider={"user_objectstore": store["_id"]})
    path = f"/api/v1/kubebackups/{backup['_id']}"
    linked = await shared.api.patch(path, json={"copydef": offload["_id"]}, headers={"If-Match": backup["_etag"]})
    refused = await shared.api.delete(f"/api/v1/objectstores/{store['_id']}")
    assert (refused.status_code, f'copy of the backup "{backup["name"]}"' in refused.json()["_error"]["message"]) == (422, True)
    cut = await shared.api.patch(path, json={"copydef": None}, headers={"If-Match": linked.json()["_etag"]})
    assert cut.status_code == 200, cut.text
    assert (await shared.api.delete(f"/api/v1/objectstores/{store['_id']}")).status_code == 204
    assert (await shared.get(f"kubeoffloads/{offload['_id']}"))["offload_provider"] == {"user_objectstore": store["_id"]}
