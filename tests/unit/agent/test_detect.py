"""The pre-flight's rules."""

from __future__ import annotations

import pytest
from cloudcasa_agent.velero.detect import choose_snapshot_class, is_velero
from cloudcasa_agent.velero.inventory import describe_claims, describe_classes, parse_quantity
from cloudcasa_agent.velero.troubles import pod_trouble
from cloudcasa_contract.commands import StorageClassInfo

from tests.support.agent_builders import a_deployment


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        (a_deployment(), True),
        (a_deployment(image="example.com/x:1", component="velero"), True),
        (a_deployment(image="example.com/x:1", **{"helm.sh/chart": "velero-12.0.0"}), True),
        (a_deployment(image="quay.io/konveyor/velero@sha256:1"), True),
        (a_deployment(name="velero-ui", image="otwld/velero-ui:1"), False),
        (a_deployment(name="web", image="nginx:1"), False),
    ],
    ids=["image", "label", "helm", "digest", "a-user-interface", "something-else"],
)
def test_velero_is_recognised(deployment, expected):
    assert is_velero(deployment) is expected


def a_class(name, *, driver="d", label=False, default=False):
    labels = {"velero.io/csi-volumesnapshot-class": "true"} if label else {}
    annotations = {"snapshot.storage.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "labels": labels, "annotations": annotations}, "driver": driver}


@pytest.mark.parametrize(
    ("classes", "chosen"),
    [
        ([], ""),
        ([a_class("one")], "one"),
        ([a_class("one"), a_class("two")], ""),
        ([a_class("one"), a_class("two", default=True)], "two"),
        ([a_class("one", default=True), a_class("two", label=True)], "two"),
        ([a_class("other", driver="e", label=True)], ""),
    ],
    ids=["none", "only", "ambiguous", "default", "labelled", "other-driver"],
)
def test_snapshot_class_is_the_one_velero_takes(classes, chosen):
    assert choose_snapshot_class("d", snapshot_classes=classes) == chosen


@pytest.mark.parametrize(("text", "size"), [("1Gi", 2**30), ("1500m", 1), ("2G", 2 * 10**9), ("7", 7), ("1e3", 1000), ("?", 0)])
def test_quantity_is_read(text, size):
    assert parse_quantity(text) == size


def test_claim_shows_its_driver():
    claim = {
        "metadata": {"namespace": "app", "name": "data"},
        "spec": {"storageClassName": "fast", "volumeName": "pv-1"},
        "status": {"phase": "Bound", "capacity": {"storage": "1Ki"}},
    }
    labels = {"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r"}
    volume = {"metadata": {"name": "pv-1", "labels": labels}, "spec": {"csi": {"driver": "d", "volumeHandle": "h"}, "capacity": {}}}
    [found] = describe_claims([claim], volumes=[volume])
    assert (found.driver, found.capacity_bytes, found.phase) == ("d", 1024, "Bound")
    assert (found.volume_name, found.volume_handle, found.volume_type, found.zone, found.region) == ("pv-1", "h", "csi", "z", "r")


def test_claim_without_a_volume_shows_none():
    claim = {"metadata": {"namespace": "app", "name": "data"}, "spec": {}}
    [found] = describe_claims([claim], volumes=[])
    assert (found.driver, found.volume_name, found.volume_type, found.phase) == ("", "", "", "")


def test_storage_class_shows_all_but_what_was_last_applied():
    annotations = {
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "storageclass.kubernetes.io/is-default-class": "true",
        "a": "b",
    }
    fields = {"reclaimPolicy": "Retain", "mountOptions": ["noatime"], "allowVolumeExpansion": True, "volumeBindingMode": "Immediate"}
    written = {
        "metadata": {"name": "fast", "uid": "u", "annotations": annotations},
        "provisioner": "d",
        "parameters": {"type": "x"},
        **fields,
    }
    [found] = describe_classes([written], snapshot_classes=[])
    assert found == StorageClassInfo(
        name="fast",
        provisioner="d",
        is_default=True,
        uid="u",
        parameters={"type": "x"},
        reclaim_policy="Retain",
        mount_options=("noatime",),
        allow_volume_expansion=True,
        volume_binding_mode="Immediate",
        annotations={"storageclass.kubernetes.io/is-default-class": "true", "a": "b"},
    )


@pytest.mark.parametrize(
    ("status", "part"),
    [
        ({}, ""),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "message": "no room"}]}, "no room"),
        ({"initContainerStatuses": [{"name": "p", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "denied"}}}]}, "denied"),
        ({"containerStatuses": [{"name": "v", "state": {"waiting": {"reason": "ContainerCreating"}}}]}, ""),
        ({"containerStatuses": [{"name": "v", "state": {"terminated": {"exitCode": 1}}}]}, "code 1"),
    ],
    ids=["fresh", "unschedulable", "pull", "creating", "ended"],
)
def test_reason_why_a_pod_does_not_run(status, part):
    trouble = pod_trouble({"metadata": {"name": "x"}, "status": status})
    assert part in trouble
    assert bool(trouble) is bool(part)
