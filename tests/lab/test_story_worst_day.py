"""Everything but the bucket and the repository password is lost: a new server with an empty database finds it again, byte for byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lab.build import image_ref
from tests.lab.test_story_removal import agent_module
from tests.support.protected import Application, Protected, protect
from tools.system import System

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def repository_password(system: System, action: str, *, stdin: str = "") -> str:
    """Run `cloudcasa-server repository-password` beside the server, as an operator would."""
    program = Path(sys.executable).with_name("cloudcasa-server")
    argv = [str(program), "repository-password", action, "--data-dir", str(system.data_dir)]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, env={**os.environ, "CLOUDCASA_TLS": "false"})
    assert done.returncode == 0, done.stderr
    return str(done.stdout).strip()


@dataclass
class Loss:
    """What can be lost, and is put back for the stories after this one."""

    protected: Protected

    @property
    def kept(self) -> Path:
        data = self.protected.system.data_dir
        return data.with_name(f"{data.name}-lost")

    def everything(self) -> None:
        """Take the agent and its Velero off the cluster, and the server's data away."""
        system = self.protected.system
        agent_module(self.protected, "absent")
        system.kill()
        system.data_dir.rename(self.kept)

    def put_back(self) -> None:
        """Let the first server have its cluster again."""
        system = self.protected.system
        if self.kept.exists():
            if system.key_path.exists():
                agent_module(replace(self.protected, client=system.client()), "absent")
            system.kill()
            shutil.rmtree(system.data_dir, ignore_errors=True)
            self.kept.rename(system.data_dir)
        system.start()
        protect(system)


@pytest.fixture
def loss(protected: Protected) -> Iterator[Loss]:
    made = Loss(protected)
    yield made
    made.put_back()


def imported(new: Protected) -> dict[str, Any]:
    """Import the cluster's recovery points; return the job."""
    started = new.client.post(f"objectstores/{new.objectstore_id}/action/import", {"clusters": [new.cluster_id]})
    return new.client.wait_for_job(started["job"], timeout_seconds=120)


def test_empty_server_restores_from_the_bucket_byte_equal(protected: Protected, loss: Loss) -> None:
    application = Application(protected, image=image_ref("busybox"))
    application.create(mib=20)
    before = application.fingerprint()
    job = protected.client.wait_for_job(protected.run(protected.define_backup(application.namespace)))
    assert job["state"] == "COMPLETED", job
    lost = protected.recovery_point(job["_id"])
    password = repository_password(protected.system, "show")
    application.delete()
    loss.everything()

    protected.system.start()
    client = protected.system.client()
    store = client.post("objectstores", an_object_store(protected.system.env))
    new = replace(protected, client=client, objectstore_id=store["_id"])
    refused = imported(new)
    assert refused["reason"]["slug"] == "import_password_wrong", refused
    assert client.get(f"backupinstances/{lost['_id']}")["state"] == "PENDING"
    repository_password(protected.system, "set", stdin=password)
    imported(new)
    point = client.get(f"backupinstances/{lost['_id']}")
    same = ("state", "type", "cluster", "cluster_name", "backupdef", "backupdef_name", "retention", "start_time", "total_copy_data")
    assert {key: point[key] for key in same} == {key: lost[key] for key in same}
    agent_module(new, "present")
    restored = new.restore(point, namespaces=[application.namespace])
    assert restored["state"] == "COMPLETED", restored
    application.wait()
    assert application.fingerprint() == before
    application.delete()


def an_object_store(env: dict[str, str]) -> dict[str, Any]:
    credentials = {"access_key": env["LAB_S3_ACCESS_KEY"], "secret_key": env["LAB_S3_SECRET_KEY"]}
    return {
        "name": "found-again",
        "bucket_name": env["LAB_S3_BUCKET"],
        "region": env["LAB_S3_REGION"],
        "s3provider": {"endpoint": env["LAB_S3_ENDPOINT"], "credentials": credentials},
    }
