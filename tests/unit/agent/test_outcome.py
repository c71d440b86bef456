"""From what Velero left to what the server is told: trouble with a volume is visible whatever the phase says."""

from __future__ import annotations

import gzip
import zlib

import pytest
from cloudcasa_agent.velero.artifacts import LOG_BYTES, read_log
from cloudcasa_agent.velero.drive import Watched
from cloudcasa_agent.velero.outcome import backup_output, expected_volumes, restore_output
from cloudcasa_contract.commands import Artifacts, ObjectRef, VolumeResult
from cloudcasa_contract.velero import read_listing, read_resources, read_results, read_volumes, unpack

from tests.support.agent_builders import a_data_upload, a_restore_command

MOVED = VolumeResult(namespace="app", pvc="data", method="CSISnapshot", is_data_moved=True, size_bytes=10)


def watched(*movements, phase="Completed", **status):
    run = {"metadata": {"name": "b-1"}, "status": {"phase": phase} | status}
    return Watched(run=run, movements={item["metadata"]["name"]: item for item in movements})


def test_completed_backup_with_a_canceled_upload_has_a_failed_volume():
    upload = a_data_upload(phase="Canceled", message="timeout on preparing")
    output = backup_output(watched(upload), artifacts=Artifacts(volumes=(MOVED,)))
    [volume] = output.artifacts.volumes
    assert (output.phase, volume.succeeded) == ("Completed", False)
    assert volume.skipped_reason == "Its data movement is Canceled: timeout on preparing."


def test_upload_that_velero_did_not_list_is_a_volume_all_the_same():
    output = backup_output(watched(a_data_upload()), artifacts=Artifacts(missing=("BackupVolumeInfos: 404",)))
    assert [(volume.pvc, volume.succeeded, volume.size_bytes) for volume in output.artifacts.volumes] == [("data", True, 10)]


def test_namespace_that_does_not_exist_is_a_warning():
    output = backup_output(watched(warnings=1), artifacts=Artifacts(warnings=("w",)), unknown_namespaces={"gone"})
    assert output.warnings == 2
    assert output.artifacts.warnings == ("w", 'namespace "gone": it does not exist and was left out.')


def test_times_counts_and_reasons_are_taken_over():
    state = watched(
        phase="FailedValidation",
        startTimestamp="2026-01-02T03:04:05Z",
        progress={"totalItems": 4, "itemsBackedUp": 3},
        validationErrors=["a", "b"],
    )
    output = backup_output(state, artifacts=Artifacts())
    assert (output.total_items, output.items_backed_up, output.failure_reason) == (4, 3, "a; b")
    assert output.started_at is not None
    assert output.started_at.isoformat() == "2026-01-02T03:04:05+00:00"


def test_restore_whose_volume_did_not_come_back_has_an_error():
    output = restore_output(watched(), artifacts=Artifacts(), expected=(MOVED,))
    assert output.errors == 1
    assert 'claim "data" was not restored' in output.artifacts.errors[0]


def test_expected_volumes_are_named_as_they_are_after_the_restore():
    other = MOVED.model_copy(update={"namespace": "other"})
    failed = MOVED.model_copy(update={"pvc": "broken", "succeeded": False})
    command = a_restore_command(namespaces=("app",))
    expected = expected_volumes((MOVED, other, failed), command=command, mapping={"app": "app2"})
    assert [(volume.namespace, volume.pvc) for volume in expected] == [("app2", "data")]


CHOICES = {
    "kinds": {"included_resources": ("persistentvolumeclaims",)},
    "labels": {"label_selector": {"a": "b"}},
    "objects": {"objects": (ObjectRef(kind="PersistentVolumeClaim", namespace="app", name="data"),)},
}


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES.keys())
@pytest.mark.parametrize("action", ["created", "skipped", "updated", "failed"])
def test_data_is_expected_of_each_claim_that_a_choice_restored_or_found_there(choice, action):
    listing = read_listing({"v1/PersistentVolumeClaim": [f"app2/data({action})"], "v1/Pod": ["app2/data(created)"]})
    command = a_restore_command(**choice)
    assert [volume.pvc for volume in expected_volumes((MOVED,), command=command, mapping={"app": "app2"}, listing=listing)] == ["data"]
    assert expected_volumes((MOVED,), command=command, mapping={}, listing=listing) == ()


def test_no_data_is_expected_where_volumes_are_not_wanted():
    assert expected_volumes((MOVED,), command=a_restore_command(restore_volumes=False), mapping={}) == ()


@pytest.mark.parametrize(
    ("info", "succeeded", "reason"),
    [
        ({"result": "succeeded"}, True, ""),
        ({"result": "failed"}, False, ""),
        ({"skipped": True, "skippedReason": "no driver"}, False, "no driver"),
        ({"skipped": True}, False, "Velero skipped it."),
        ({"snapshotDataMoved": True, "snapshotDataMovementInfo": {"Phase": "Failed"}}, False, ""),
    ],
    ids=["good", "failed", "skipped", "skipped-silently", "movement-failed"],
)
def test_volume_info_is_read(info, succeeded, reason):
    [volume] = read_volumes([{"pvcName": "data", "pvcNamespace": "app"} | info])
    assert (volume.succeeded, volume.skipped_reason) == (succeeded, reason)


def test_incremental_size_is_never_negative():
    [volume] = read_volumes([{"pvcName": "d", "snapshotDataMovementInfo": {"size": 5, "incrementalSize": -6}}])
    assert (volume.size_bytes, volume.incremental_bytes) == (5, 0)


def test_results_say_where_they_belong():
    raw = {"errors": {"velero": ["v"], "cluster": ["c"], "namespaces": {"app": ["a"]}}, "warnings": {}}
    assert read_results(raw) == (("v", "c", 'namespace "app": a'), ())


def test_resources_are_counted():
    assert read_resources({"v1/Pod": ["a/b", "a/c"], "v1/Node": None}) == {"v1/Pod": 2, "v1/Node": 0}


def test_artifact_is_unpacked_whether_it_was_packed_or_not():
    assert unpack(gzip.compress(b"text")) == b"text"
    assert unpack(b"text") == b"text"


def test_end_of_a_large_log_is_kept_with_the_kinds_of_all_of_it():
    looked = b'time="x" level=info msg="Getting items for resource" backup=ns/b group=%s logSource="x.go:1" resource=%s\n'
    text = looked % (b"v1", b"pods") + looked % (b"apps/v1", b"deployments") + b"".join(b"line %d\n" % number for number in range(300_000))
    for packed in (gzip.compress(text), text):
        assert read_log(packed) == (text[-LOG_BYTES - 1 :], {"pods", "deployments.apps"})
    assert unpack(gzip.compress(text)) == text


def test_log_that_breaks_off_is_not_taken_for_whole():
    with pytest.raises(zlib.error):
        read_log(gzip.compress(b"text" * 1000)[:-20])
