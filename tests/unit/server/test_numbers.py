"""The numbers of clusters and of the dashboard are those of the jobs, claims and recovery points behind them (rest-api.md 2.1, 2.16)."""

from __future__ import annotations

import json
from itertools import count

import pytest
import pytest_asyncio
from cloudcasa_server.cluster import metrics
from cloudcasa_server.cluster.metrics import percentage

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = 86400
_numbers = count()


@pytest_asyncio.fixture(loop_scope="module")
async def cluster(shared):
    return await shared.a_cluster(f"numbers-{next(_numbers)}")


async def put(shared, name, *rows):
    documents = shared.documents(name)
    for row in rows:
        await documents.insert(documents.new(row))


def now(shared):
    return int(shared.parts.clock.now().timestamp())


async def a_job(shared, cluster, state, *, days_ago=0, kind="K8S_COPY"):
    started = now(shared) - days_ago * DAY - 60
    fields = {"type": kind, "state": state, "message": "", "cluster": cluster["_id"], "cluster_name": "x", "display_name": "x"}
    await put(shared, "jobs", {**fields, "start_time": started, "script": {"is_open": False}})


async def a_claim(shared, cluster, name, **changes):
    fields = {"namespace_name": "web", "phase": "Bound", "driver": "lab.csi"}
    await put(shared, "kubepvclaims", {"cluster_id": cluster["_id"], "name": name, **fields, **changes})


async def a_point(shared, cluster, *names, kind="COPY", days_ago=0, state="READY", locked=False, **volume):
    held = {"namespace": "web", "method": "CSISnapshot", "is_data_moved": kind == "COPY", "succeeded": True, "skipped_reason": ""} | volume
    fields = {"cluster": cluster["_id"], "state": state, "type": kind, "start_time": now(shared) - days_ago * DAY - 60}
    fields |= {"status": {"locked": locked}, "backup_job_id": f"job-{next(_numbers)}", "backup_selection": {"all_namespaces": True}}
    await put(shared, "backupinstances", fields | {"velero": {"volumes": [held | {"pvc": name} for name in names]}})


async def numbers(shared, cluster, days=7):
    shown = await shared.get(f"kubeclusters/{cluster['_id']}", metrics=json.dumps({"days": days}))
    return shown["metrics"]


async def test_empty_cluster_has_all_numbers_and_they_are_nought(shared, cluster):
    assert await numbers(shared, cluster) == {
        "total_num_backup_jobs": 0,
        "total_num_successful_backup_jobs": 0,
        "backup_job_success_percentage": 0,
        "total_num_pvcs": 0,
        "total_num_offload_pvcs": 0,
        "eligible_pvc_offload_coverage_percentage": 0,
        "total_num_snapshot_pvcs": 0,
        "eligible_pvc_snapshot_coverage_percentage": 0,
        "total_num_safelock_recovery_points": 0,
        "safelock_coverage_percentage": 0,
    }


async def test_jobs_count_when_they_are_backups_of_the_cluster_in_the_days(shared, cluster):
    other = await shared.a_cluster(f"numbers-{next(_numbers)}")
    for state in ("COMPLETED", "COMPLETED", "PARTIAL", "SKIPPED", "RUNNING"):
        await a_job(shared, cluster, state)
    await a_job(shared, cluster, "COMPLETED", days_ago=8)
    await a_job(shared, cluster, "FAILED", kind="RESTORE")
    await a_job(shared, cluster, "COMPLETED", kind="DELETE_BACKUP")
    await a_job(shared, other, "FAILED")
    found = await numbers(shared, cluster)
    assert (found["total_num_backup_jobs"], found["total_num_successful_backup_jobs"]) == (5, 2)
    assert found["backup_job_success_percentage"] == 50
    assert (await numbers(shared, cluster, days=30))["total_num_successful_backup_jobs"] == 3


async def test_coverage_counts_claims_whose_data_can_be_restored(shared, cluster):
    for name in ("copied", "both", "failed", "skipped", "old", "bare"):
        await a_claim(shared, cluster, name)
    await a_claim(shared, cluster, "host", driver="")
    await a_claim(shared, cluster, "lost", phase="Lost")
    await a_claim(shared, cluster, "own", namespace_name="cloudcasa-io")
    await a_point(shared, cluster, "copied", "both", "gone", "host")
    await a_point(shared, cluster, "both", kind="SNAPSHOT")
    await a_point(shared, cluster, "failed", succeeded=False)
    await a_point(shared, cluster, "skipped", skipped_reason="not bound")
    await a_point(shared, cluster, "bare", is_data_moved=False)
    await a_point(shared, cluster, "bare", state="DELETING")
    await a_point(shared, cluster, "old", days_ago=8)
    found = await numbers(shared, cluster)
    assert (found["total_num_pvcs"], found["total_num_offload_pvcs"], found["total_num_snapshot_pvcs"]) == (9, 2, 1)
    assert (found["eligible_pvc_offload_coverage_percentage"], found["eligible_pvc_snapshot_coverage_percentage"]) == (33, 17)
    assert (await numbers(shared, cluster, days=30))["total_num_offload_pvcs"] == 3


async def test_many_points_are_looked_at_in_pages_and_not_for_ever(shared, cluster, monkeypatch):
    monkeypatch.setattr(metrics, "PAGE", 2)
    monkeypatch.setattr(metrics, "MAX_POINTS", 6)
    for name in ("near", "far", "beyond"):
        await a_claim(shared, cluster, name)
    await a_point(shared, cluster, "beyond", days_ago=6)
    await a_point(shared, cluster, "far", days_ago=5)
    for _ in range(4):
        await a_point(shared, cluster, "nothing", days_ago=3)
    await a_point(shared, cluster, "near")
    assert (await numbers(shared, cluster))["total_num_offload_pvcs"] == 2


async def test_locked_points_are_counted(shared, cluster):
    await a_point(shared, cluster, "a", locked=True)
    await a_point(shared, cluster, "a")
    await a_point(shared, cluster, "a", state="DELETING", locked=True)
    found = await numbers(shared, cluster)
    assert (found["total_num_safelock_recovery_points"], found["safelock_coverage_percentage"]) == (1, 50)


@pytest.mark.parametrize(("part", "of", "expected"), [(13, 14, 93), (4, 6, 67), (0, 3, 0), (3, 3, 100), (0, 0, 0), (999, 1000, 99)])
async def test_percentage_is_a_hundred_only_when_nothing_is_missing(part, of, expected):
    assert percentage(part, of=of) == expected


@pytest.mark.parametrize(
    "wanted",
    [
        '{"days": 1e400}',
        '{"days": -1}',
        '{"days": 0}',
        '{"days": 367}',
        '{"days": "7"}',
        '{"days": 7.5}',
        '{"days": true}',
        "7",
        "{",
        "[" * 5000,
    ],
)
async def test_malformed_metrics_are_refused(shared, cluster, wanted):
    response = await shared.api.get(f"/api/v1/kubeclusters/{cluster['_id']}", params={"metrics": wanted})
    assert (response.status_code, "metrics" in response.json()["_error"]["message"]) == (400, True)


async def test_metrics_come_only_when_asked_for_and_only_when_read(shared, cluster):
    path = f"/api/v1/kubeclusters/{cluster['_id']}"
    assert "metrics" not in (await shared.api.get(path)).json()
    patched = await shared.api.patch(path, json={"description": "x"}, headers={"If-Match": cluster["_etag"]}, params={"metrics": "{"})
    assert (patched.status_code, "metrics" in patched.json()) == (200, False)


async def test_dashboard_counts_what_is_there(shared):
    before = await shared.get("dashboard", days=7)
    cluster = await shared.a_cluster(f"numbers-{next(_numbers)}")
    await shared.documents("kubeclusters").set(cluster["_id"], {"status.state": "ACTIVE", "status.num_recovery_points": 2})
    await shared.make("cloudaccounts", name=f"numbers-{next(_numbers)}", provider_type="aws")
    for state in ("COMPLETED", "COMPLETED", "PARTIAL", "SKIPPED", "FAILED", "CANCELED"):
        await a_job(shared, cluster, state)
        await a_job(shared, cluster, state, days_ago=8)
    for state in ("PENDING", "RUNNING", "CATALOG"):
        await a_job(shared, cluster, state, days_ago=9)
    await a_job(shared, cluster, "COMPLETED", kind="DELETE_BACKUP")
    await a_job(shared, cluster, "COMPLETED", kind="RESTORE")
    after = await shared.get("dashboard", days=7)
    grown = {section: {name: after[section][name] - before[section][name] for name in after[section]} for section in after}
    assert grown["kubernetes"] == {"num_clusters": 1, "num_active_clusters": 1, "num_protected_clusters": 1}
    assert (grown["cloudaccounts"], after["awsrds"]) == ({"num_accounts": 1}, {"num_protected_databases": 0})
    assert grown["jobs"] == {"days": 0, "num_running": 3, "num_successful": 3, "num_partial": 1, "num_skipped": 1, "num_failed": 1}
    assert (await shared.get("dashboard"))["jobs"]["days"] == 1


@pytest.mark.parametrize("days", ["0", "-1", "367", "7.5", "x", "9" * 400, "1 2"])
async def test_range_of_the_dashboard_that_cannot_be_read_is_refused(shared, days):
    response = await shared.api.get("/api/v1/dashboard", params={"days": days})
    assert (response.status_code, "days" in response.json()["_error"]["message"]) == (400, True)


async def test_dashboard_needs_a_caller_and_has_no_documents(shared):
    assert (await shared.api.get("/api/v1/dashboard", headers={"Authorization": ""})).status_code == 401
    assert (await shared.api.post("/api/v1/dashboard", json={})).status_code == 405
