"""A run is cancelled while its data moves: nothing of it stays, neither on the cluster nor in the store, and what was there before stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from lab.build import image_ref
from tests.support.protected import Application, Protected, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
MIB = 400


@pytest.fixture
def application(protected: Protected) -> Iterator[Application]:
    made = Application(protected.system, image=image_ref("busybox"))
    made.create(mib=MIB)
    yield made
    protected.kubectl("delete", "namespace", made.namespace, "--ignore-not-found", "--wait=false")


def cancel(protected: Protected, job_id: str) -> dict[str, Any]:
    asked = protected.client.post(f"jobs/{job_id}/action/cancel")
    assert asked["state"] == "CANCELLING", asked
    return protected.client.wait_for_job(job_id)


def wait_for_movement(protected: Protected, kind: str, *, job_id: str) -> None:
    """Return when Velero has made the movement of a run's volume; its progress is told only shortly before it is done."""
    names = ("-n", "cloudcasa-io", "get", kind, "-o", "name")
    until(lambda: job_id in protected.kubectl(*names), seconds=120, what=f"none of {kind} came up")


def leftovers(protected: Protected, *namespaces: str) -> list[str]:
    """Name what runs of Velero leave on a cluster while they go on, by kind and name."""
    kinds = ("pods", "pvc", "volumesnapshots.snapshot.storage.k8s.io")
    found = [protected.kubectl("-n", place, "get", ",".join(kinds), "-o", "name").split() for place in ("cloudcasa-io", *namespaces)]
    contents = protected.kubectl("get", "volumesnapshotcontents.snapshot.storage.k8s.io", "-o", "name").split()
    return sorted(name for names in (*found, contents) for name in names)


def backups_in_store(protected: Protected) -> set[str]:
    env = protected.system.env
    client = boto3.client(
        "s3",
        endpoint_url=env["LAB_S3_ENDPOINT"],
        region_name=env["LAB_S3_REGION"],
        aws_access_key_id=env["LAB_S3_ACCESS_KEY"],
        aws_secret_access_key=env["LAB_S3_SECRET_KEY"],
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=env["LAB_S3_BUCKET"])
    keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
    return {key.partition("/backups/")[2].partition("/")[0] for key in keys if "/backups/" in key}


def test_cancelled_copy_leaves_nothing_and_cancelled_restore_takes_back_what_it_made(
    protected: Protected, application: Application
) -> None:
    before, files = leftovers(protected, application.namespace), application.fingerprint()
    backup = protected.define_backup(application.namespace)
    stored = backups_in_store(protected)

    running = protected.run(backup)
    wait_for_movement(protected, "datauploads", job_id=running)
    job = cancel(protected, running)

    assert (job["state"], job["reason"]["slug"]) == ("CANCELED", "cancelled_by"), job
    assert job["message"].endswith("0 of 1 volumes had been copied. Nothing of it is kept."), job
    assert leftovers(protected, application.namespace) == before
    assert backups_in_store(protected) == stored
    assert job["_id"] not in protected.kubectl("-n", "cloudcasa-io", "get", "backups", "-o", "name")
    assert protected.client.find("backupinstances", backup_job_id=job["_id"]) == []

    done = protected.client.wait_for_job(protected.run(backup))
    assert done["state"] == "COMPLETED", done
    point, copy = protected.recovery_point(done["_id"]), f"{application.namespace}-copy"
    body = {"name": copy, "backup_inst": point["_id"], "namespaces_map": {application.namespace: copy}}
    restore = protected.client.post("kuberestores", body | {"selection": {"namespaces": [application.namespace]}})
    started = protected.client.wait(f"kuberestores/{restore['_id']}", lambda one: bool(one["status"].get("jobid")), timeout_seconds=30)
    volumes = protected.kubectl("get", "pv", "-o", "name").split()

    wait_for_movement(protected, "datadownloads", job_id=started["status"]["jobid"])
    job = cancel(protected, started["status"]["jobid"])

    assert job["state"] == "CANCELED", job
    assert "0 of 1 volumes had been restored." in job["message"], job
    assert copy not in protected.kubectl("get", "namespaces", "-o", "name"), job
    assert leftovers(protected, application.namespace) == before
    assert set(protected.kubectl("get", "pv", "-o", "name").split()) <= set(volumes)
    assert application.fingerprint() == files, "what was there before is as it was"

    again = protected.client.post(f"kuberestores/{restore['_id']}/action/run")
    assert again["_id"] == restore["_id"]
    job_id = protected.client.get("jobs", where={"restoredef": restore["_id"]}, sort="-start_time")["_items"][0]["_id"]
    assert protected.client.wait_for_job(job_id)["state"] == "COMPLETED"
    protected.kubectl("delete", "namespace", copy, "--wait=false")
