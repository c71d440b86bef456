"""A node lab is a cluster in earnest: pods, names, volumes, snapshots; two stand side by side, and nothing beyond them is in reach."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from lab.build import image_ref
from lab.run import Lab, LabError
from lab.run.probe import holds, url, wait

pytestmark = [pytest.mark.lab, pytest.mark.node, pytest.mark.skipif(os.geteuid() != 0, reason="a node lab needs root")]


@pytest.fixture(scope="module")
def one() -> Iterator[Lab]:
    made = Lab("lr-one")
    made.up("node")
    yield made
    made.down()


@pytest.fixture(scope="module")
def two(one: Lab) -> Iterator[Lab]:
    made = Lab("lr-two")
    made.up("node")
    made.peer(one.name)
    yield made
    made.down()


def run_pod(lab: Lab) -> None:
    """A pod with a claim of the default class, until it runs."""
    pod = {
        "name": "w",
        "image": image_ref("busybox"),
        "command": ["sleep", "infinity"],
        "volumeMounts": [{"name": "d", "mountPath": "/data"}],
    }
    volume = {"name": "d", "persistentVolumeClaim": {"claimName": "d"}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    items = [
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "d"}, "spec": claim},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "w"},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [pod], "volumes": [volume]},
        },
    ]
    lab.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    lab.kubectl("wait", "pod/w", "--for=condition=Ready", "--timeout=60s")


def test_pod_runs_with_a_volume_a_snapshot_and_names(one: Lab) -> None:
    run_pod(one)
    one.kubectl("exec", "w", "--", "sh", "-c", "echo kept > /data/file")
    snapshot = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": "s"}}
    one.kubectl("apply", "-f", "-", input=json.dumps({**snapshot, "spec": {"source": {"persistentVolumeClaimName": "d"}}}))
    one.kubectl("wait", "vs/s", "--for=jsonpath={.status.readyToUse}=true", "--timeout=30s")
    assert "10.96.0.1" in one.kubectl("exec", "w", "--", "nslookup", "kubernetes.default.svc.cluster.local")


def test_process_in_the_lab_is_reached_from_the_host_and_dies_on_demand(one: Lab) -> None:
    address = f"http://{one.record.address}:8000/"
    server = ["python3", "-m", "http.server", "8000", f"--bind={one.record.address}", f"--directory={one.home}/s3"]
    one.start("files", server, ready=address, env={"PATH": os.environ["PATH"]})
    one.stop("files")
    assert not holds(url(address))


def test_processes_in_the_lab_use_the_clusters_names_and_services(one: Lab) -> None:
    assert one.exec(["getent", "hosts", "kubernetes.default.svc.cluster.local"]).stdout.split()[0] == "10.96.0.1"
    assert '"major"' in one.exec(["curl", "-sk", "https://kubernetes.default.svc.cluster.local/version"]).stdout


def test_nothing_beyond_the_machine_is_in_reach(one: Lab) -> None:
    assert one.exec(["ip", "route", "show", "default"]).stdout == ""
    with pytest.raises(LabError):
        one.exec(["ping", "-c1", "-W1", "192.0.2.1"])


def test_two_labs_side_by_side_reach_each_other_by_their_cable(one: Lab, two: Lab) -> None:
    run_pod(two)
    for here, there in ((one, two), (two, one)):
        here.exec(["curl", "-sf", f"{there.record.s3_url}/healthz"])
        ping = ["exec", "w", "--", "ping", "-c1", "-W2", there.record.address]
        wait(
            "the other lab answers",
            until=lambda lab=here, argv=ping: ", 0% packet loss" in lab.kubectl(*argv, check=False),
            timeout_seconds=10,
        )
    assert two.record.peers == [one.name]
