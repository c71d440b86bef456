"""A control lab has a real API, object store and Velero, without pods."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.run import Lab, LabError
from lab.run.probe import wait

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    made = Lab("lr-control")
    made.up("control", parts=["velero", "kwok"])
    yield made
    made.down()


def test_velero_brings_an_object_back(lab: Lab) -> None:
    lab.kubectl("create", "namespace", "app")
    lab.kubectl("-n", "app", "create", "configmap", "kept", "--from-literal=answer=42")
    velero = lab.env()["LAB_VELERO"]
    lab.exec([velero, "backup", "create", "one", "--include-namespaces=app", "--wait"])
    lab.kubectl("delete", "namespace", "app")
    lab.exec([velero, "restore", "create", "one", "--from-backup=one", "--wait"])
    assert lab.kubectl("-n", "app", "get", "configmap", "kept", "-o", "jsonpath={.data.answer}") == "42"
    assert (lab.home / "s3/backups/backups/one").is_dir()


def test_velero_keeps_its_credentials_in_the_lab(lab: Lab) -> None:
    assert (lab.home / "velero/tmp/credentials").exists() or os.geteuid() != 0
    assert not Path("/tmp/credentials").exists()


def test_pretended_node_becomes_ready(lab: Lab) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "fake", "annotations": {"kwok.x-k8s.io/node": "fake"}}}
    lab.kubectl("apply", "-f", "-", input=json.dumps(node))
    lab.kubectl("wait", "node/fake", "--for=condition=Ready", "--timeout=30s")


def test_second_up_says_what_is_there(lab: Lab) -> None:
    said: list[str] = []
    before = {part.pid for part in lab.parts().values()}
    lab.up(report=said.append)
    assert {part.pid for part in lab.parts().values()} == before
    assert any("kube-apiserver is already running" in line for line in said)


def test_part_that_was_killed_is_started_again_by_up(lab: Lab) -> None:
    lab.stop("kube-scheduler", sig=signal.SIGKILL)
    lab.up()
    assert lab.parts()["kube-scheduler"].exit_status is None


def test_profile_of_a_running_lab_does_not_change(lab: Lab) -> None:
    with pytest.raises(LabError, match="Take it down first"):
        lab.up("node")


@pytest.mark.skipif(os.geteuid() != 0, reason="the part mongo needs root")
def test_databases_are_added_to_a_running_lab(lab: Lab) -> None:
    pymongo = pytest.importorskip("pymongo")
    lab.up(parts=["mongo", "azurite"])
    variables = lab.env()
    with pymongo.MongoClient(variables["LAB_MONGO_URL"], serverSelectionTimeoutMS=10_000) as client:
        client.test.things.insert_one({"_id": 1})
        assert client.test.things.count_documents({}) == 1
    assert variables["LAB_AZURITE_ENDPOINT"].endswith("/lab")
    wait("Azurite runs", until=lambda: lab.parts()["azurite"].exit_status is None, timeout_seconds=5)
