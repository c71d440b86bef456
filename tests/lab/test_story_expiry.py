"""Recovery points grow old: what nothing keeps is deleted by itself, from the bucket and from the storage driver, and the rest is still restored."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest
from cloudcasa_server.kit.store import Update
from cloudcasa_server.kit.store.opening import FILE_NAME
from cloudcasa_server.kit.store.sqlite import SqliteStore

from lab.build import image_ref
from tests.support.protected import Application, Protected, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]
DAY = 86_400


def grow_old(protected: Protected, point: dict[str, Any], *, days: int, **fields: Any) -> None:
    """Let a point have ended so many days before it did: kept for a day, it expired long ago."""

    async def write() -> None:
        store = SqliteStore(protected.system.data_dir / FILE_NAME)
        change = {name: point[name] - days * DAY for name in ("start_time", "end_time", "expiry_timestamp")} | fields
        assert await store.collection("backupinstances").update(point["_id"], Update(set=change))
        await store.close()

    asyncio.run(write())


def test_expired_points_go_and_kept_ones_are_still_restored(protected: Protected) -> None:
    system, client = protected.system, protected.client
    application = Application(system, image=image_ref("busybox"))
    application.create(mib=4)
    before = application.fingerprint()
    copies, snapshots = protected.define_backup(application.namespace), protected.define_backup(application.namespace, copy=False)

    def a_run(backup: dict[str, Any]) -> dict[str, Any]:
        job = client.wait_for_job(protected.run(backup))
        assert job["state"] == "COMPLETED", job
        return protected.recovery_point(job["_id"])

    old, locked, last = (a_run(copies) for _ in range(3))
    old_snapshot, last_snapshot = (a_run(snapshots) for _ in range(2))
    bucket = system.lab.home / "s3" / system.env["LAB_S3_BUCKET"] / protected.cluster_id / "backups"
    driver = system.lab.home / "node" / "volumes" / "snapshots"

    def name_of(point: dict[str, Any]) -> str:
        """Return the name of a point's backup: cc-<cluster>-<job>."""
        return f"cc-{protected.cluster_id[-8:]}-{point['backup_job_id']}"

    assert all((bucket / name_of(point) / "velero-backup.json").exists() for point in (old, locked, last, old_snapshot, last_snapshot))
    kept_in_driver = len(list(driver.iterdir()))
    backup = system.kubectl("-n", "cloudcasa-io", "get", "backups.velero.io", name_of(old), "-o", "jsonpath={.status.expiration}")
    assert int(backup[:4]) > 2200, "Velero itself would delete it"

    grow_old(protected, locked, days=20, expiry_timestamp=locked["expiry_timestamp"], **{"status.locked": True})
    for days, point in ((10, old), (5, last), (9, old_snapshot), (4, last_snapshot)):
        grow_old(protected, point, days=days)
    ids = {old["_id"], old_snapshot["_id"]}
    until(
        lambda: not ids & {point["_id"] for point in client.get("backupinstances", max_results=100)["_items"]},
        seconds=300,
        what="what expired is not deleted",
    )
    jobs = [job for job in client.find("jobs", type="DELETE_BACKUP") if job["backup_inst"] in ids]
    assert sorted(job["state"] for job in jobs) == ["COMPLETED", "COMPLETED"], jobs
    for point in (old, old_snapshot):
        assert not (bucket / name_of(point)).exists() or not list((bucket / name_of(point)).iterdir())
        assert system.kubectl("-n", "cloudcasa-io", "get", "backups.velero.io", name_of(point), "--ignore-not-found") == ""
    assert len(list(driver.iterdir())) == kept_in_driver - 1
    for point in (locked, last, last_snapshot):
        assert (bucket / name_of(point) / "velero-backup.json").exists()
    reasons = {
        point["_id"]: point["reason"]
        for backup in (copies, snapshots)
        for point in client.get(f"kubebackups/{backup['_id']}/retention-preview")["points"]
    }
    assert reasons == {locked["_id"]: "locked", last["_id"]: "last-good", last_snapshot["_id"]: "last-good"}

    application.delete()
    assert protected.restore(last, namespaces=[application.namespace])["state"] == "COMPLETED"
    application.wait()
    assert application.fingerprint() == before
    system.kubectl("delete", "namespace", application.namespace, "--wait=false")


def test_backup_deleted_with_kubectl_leaves_its_data_and_is_deleted_whole_later(protected: Protected) -> None:
    system, client = protected.system, protected.client
    namespace = f"lost-{secrets.token_hex(3)}"
    system.kubectl("create", "namespace", namespace)
    job = client.wait_for_job(protected.run(protected.define_backup(namespace)))
    point = protected.recovery_point(job["_id"])
    name = f"cc-{protected.cluster_id[-8:]}-{job['_id']}"
    folder = system.lab.home / "s3" / system.env["LAB_S3_BUCKET"] / protected.cluster_id / "backups" / name
    system.kubectl("-n", "cloudcasa-io", "delete", "backups.velero.io", name)
    assert (folder / "velero-backup.json").exists()
    client.call("DELETE", f"backupinstances/{point['_id']}")
    (deletion,) = client.find("jobs", type="DELETE_BACKUP", backup_inst=point["_id"])
    assert client.wait_for_job(deletion["_id"])["state"] == "COMPLETED"
    assert not folder.exists() or not list(folder.iterdir())
    system.kubectl("delete", "namespace", namespace, "--wait=false")
