"""What is on the wire, frame by frame and command by command: a changed golden file is a changed protocol."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cloudcasa_contract.commands import (
    COMMAND_ADAPTER,
    OUTPUT_ADAPTER,
    Artifacts,
    AzureAccess,
    BackupDelete,
    BackupOutput,
    BackupRun,
    DeleteOutput,
    EngineEnsure,
    EngineImages,
    EngineOutput,
    Finding,
    HookReport,
    HookResult,
    HookRun,
    HookState,
    Inventory,
    InventoryCollect,
    ObjectRef,
    PreflightOutput,
    PreflightRun,
    Problem,
    PvcInfo,
    RestoreOutput,
    RestoreRun,
    RunCancel,
    RunCancelled,
    Selection,
    StorageAddress,
    StorageClassInfo,
    StorageEnsure,
    StorageEnsured,
    StorageProbe,
    StorageProbed,
    StorageRead,
    StorageReading,
    StorageRemove,
    StorageRemoved,
    StorageTarget,
    VolumeResult,
)
from cloudcasa_contract.frames import (
    AGENT_FRAME_ADAPTER,
    SERVER_FRAME_ADAPTER,
    Ack,
    Close,
    CloseReason,
    CommandFrame,
    Heartbeat,
    Hello,
    Outcome,
    Progress,
    Report,
    Result,
    VolumeProgress,
    Welcome,
    choose_protocol,
    encode,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PROBLEM = Problem(slug="foreign-velero", text='Namespace "velero" already runs Velero.', remedy="Remove it.")
STORAGE = StorageTarget(
    objectstore_id="6513f0c0ffee000000000001",
    name="main",
    bucket="backups",
    prefix="main/6513f0c0ffee0000000000aa",
    endpoint="https://s3.example.com",
    access_key="PLACEHOLDER-ACCESS-KEY",
    secret_key="PLACEHOLDER-SECRET-KEY",
)
AZURE = StorageTarget(
    objectstore_id="6513f0c0ffee000000000002",
    name="blob",
    provider="azure",
    bucket="cloudcasa",
    prefix="",
    endpoint="https://labstore.blob.core.windows.net",
    azure=AzureAccess(account="labstore", resource_group="rg", client_id="c", tenant_id="t", client_secret="PLACEHOLDER-CLIENT-SECRET"),
)
IMAGES = EngineImages(velero="registry.example.com/velero:v1.18.3", plugin_aws="registry.example.com/velero-plugin-for-aws:v1.14.3")
VOLUME = VolumeResult(namespace="app", pvc="data", method="CSISnapshot", is_data_moved=True, size_bytes=10, incremental_bytes=5)
ARTIFACTS = Artifacts(
    log="…end", is_log_cut=True, errors=("e",), warnings=("w",), volumes=(VOLUME,), resources={"v1/Pod": 1}, missing=("m: why",)
)
INVENTORY = Inventory(
    taken_at=AT,
    kubernetes_version="v1.36.1",
    node_count=1,
    namespaces=("app",),
    namespace_uids={"app": "u-1"},
    pvcs=(
        PvcInfo(
            namespace="app",
            name="data",
            storage_class="lab",
            capacity_bytes=1,
            phase="Bound",
            driver="csi.lab.local",
            uid="u-2",
            volume_name="pv-1",
            volume_handle="h-1",
            volume_mode="Filesystem",
            volume_type="csi",
            zone="z-1",
            region="r",
        ),
    ),
    storage_classes=(
        StorageClassInfo(
            name="lab",
            provisioner="csi.lab.local",
            is_default=True,
            snapshot_class="lab",
            uid="u-3",
            parameters={"type": "fast"},
            reclaim_policy="Delete",
            mount_options=("noatime",),
            allow_volume_expansion=True,
            volume_binding_mode="WaitForFirstConsumer",
            labels={"a": "b"},
            annotations={"c": "d"},
            finalizers=("f",),
        ),
    ),
)
SECRETS = ("access_key", "secret_key", "repository_password", "credential", "account_key", "client_secret")
HOOK = HookRun(hook="flush", phase="pre", namespaces=("app",), labels={"app": "x,y"}, container="db", command=("sync",))
FAILED_HOOK = HookResult(hook="flush", phase="pre", namespace="app", pod="db-0", state=HookState.FAILED, error="e", output="o")
HOOKS = HookReport(attempted=2, failed=1, results=(FAILED_HOOK,), unmatched=("thaw",))
COMMANDS = [
    EngineEnsure(images=IMAGES, repository_password="PLACEHOLDER-PASSWORD"),
    BackupRun(
        backup_name="b-1",
        storage=STORAGE,
        selection=Selection(namespaces=("app",), label_selector={"a": "b,c"}),
        move_data=True,
        ttl_seconds=3600,
        hooks=(HOOK,),
    ),
    RestoreRun(restore_name="r-1", backup_name="b-1", storage=STORAGE, namespaces=("app",), namespace_map={"app": "app2"}),
    RestoreRun(
        kind="restore.run.2",
        restore_name="r-2",
        backup_name="b-1",
        storage=STORAGE.model_copy(update={"read_only": True}),
        objects=(ObjectRef(kind="ConfigMap", namespace="app", name="settings"),),
        namespace_suffix="-again",
        storage_class_map={"lab": "fast"},
        existing="update",
        modifiers=({"conditions": {"groupResource": "configmaps"}, "mergePatches": [{"patchData": "{}"}]},),
        preserve_node_ports=True,
        parallel_downloads=4,
    ),
    RunCancel(run_id="c-1", run=RestoreRun(restore_name="r-1", backup_name="b-1", storage=STORAGE, namespaces=("app",)), keep=True),
    BackupDelete(backup_name="b-1", storage=STORAGE, not_before=AT),
    InventoryCollect(),
    PreflightRun(asked_at=AT, server_version="0.1.0", stores=(StorageAddress(name="main", endpoint="https://s3.example.com"),)),
    StorageEnsure(storage=STORAGE.model_copy(update={"revision": 3})),
    StorageProbe(storage=AZURE),
    StorageRemove(objectstore_id=STORAGE.objectstore_id),
    StorageRead(storage=STORAGE, folders=("",), listings=("c1/backups/b-1/",), objects=("c1/backups/b-1/velero-backup.json",)),
]
OUTPUTS = [
    EngineOutput(
        velero_version="v1.18.3", plugins=("velero.io/aws (ObjectStore)",), findings=(Finding.model_validate(PROBLEM.model_dump()),)
    ),
    BackupOutput(phase="Completed", started_at=AT, completed_at=AT, total_items=3, items_backed_up=3, artifacts=ARTIFACTS, hooks=HOOKS),
    RestoreOutput(phase="PartiallyFailed", started_at=AT, completed_at=AT, errors=1, artifacts=ARTIFACTS),
    RunCancelled(is_stopped=True, run=BackupOutput(phase="PartiallyFailed", artifacts=ARTIFACTS), removed=3, left=("A namespace stays.",)),
    DeleteOutput(was_missing=True),
    INVENTORY,
    PreflightOutput(checked_at=AT, findings=(Finding(slug="no-nodes", text="There are none.", severity="blocks"),)),
    StorageEnsured(revision=3, repaired=("BackupStorageLocation: spec.config",)),
    StorageProbed(),
    StorageRemoved(locations=1),
    StorageReading(
        folders={"": ("c1",)}, objects={"c1/backups/b-1/velero-backup.json": "e30="}, problems={"c1/backups/b-1/": "It is gone."}
    ),
]
AGENT_FRAMES = [
    Hello(
        cluster_id="6513f0c0ffee0000000000aa",
        instance_id="i-1",
        agent_version="0.1.0",
        capabilities=frozenset({"velero-pro"}),
        running=("c-1",),
    ),
    Heartbeat(running=("c-1",), engine_problem=PROBLEM),
    Ack(id="c-1"),
    Progress(
        command_id="c-1",
        phase="InProgress",
        items_total=3,
        items_done=1,
        volumes=(VolumeProgress(namespace="app", pvc="data", phase="New"),),
    ),
    Result(message_id="m-1", command_id="c-1", outcome=Outcome.FAILED, problem=PROBLEM),
    Report(message_id="m-2", inventory=INVENTORY),
    Close(reason=CloseReason.SHUTTING_DOWN, text="bye"),
]
SERVER_FRAMES = [
    Welcome(protocol=1, server_version="0.1.0", credential="PLACEHOLDER-CREDENTIAL"),
    Ack(id="m-1"),
    Close(reason=CloseReason.UNAUTHORIZED),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.kind)
def test_command_is_written_as_agreed_and_read_back(command, golden):
    frame = CommandFrame(command_id="c-1", delivery=1, command=command)
    golden(f"command-{command.kind}.json", json.loads(encode(frame)))
    assert SERVER_FRAME_ADAPTER.validate_json(encode(frame)) == frame
    assert COMMAND_ADAPTER.validate_json(command.model_dump_json()) == command


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.kind)
def test_output_is_written_as_agreed_and_read_back(output, golden):
    frame = Result(message_id="m-1", command_id="c-1", outcome=Outcome.SUCCEEDED, output=output)
    golden(f"output-{output.kind}.json", json.loads(encode(frame)))
    assert AGENT_FRAME_ADAPTER.validate_json(encode(frame)) == frame
    assert OUTPUT_ADAPTER.validate_json(output.model_dump_json()) == output


@pytest.mark.parametrize("frame", AGENT_FRAMES, ids=lambda frame: frame.type)
def test_agent_frame_is_written_as_agreed_and_read_back(frame, golden):
    golden(f"agent-{frame.type}.json", json.loads(encode(frame)))
    assert AGENT_FRAME_ADAPTER.validate_json(encode(frame)) == frame


@pytest.mark.parametrize("frame", SERVER_FRAMES, ids=lambda frame: frame.type)
def test_server_frame_is_written_as_agreed_and_read_back(frame, golden):
    golden(f"server-{frame.type}.json", json.loads(encode(frame)))
    assert SERVER_FRAME_ADAPTER.validate_json(encode(frame)) == frame


def test_unknown_fields_are_ignored():
    assert SERVER_FRAME_ADAPTER.validate_json('{"type": "ack", "id": "x", "later": 1}') == Ack(id="x")


@pytest.mark.parametrize("thing", [*COMMANDS, *SERVER_FRAMES], ids=lambda thing: getattr(thing, "kind", "") or thing.type)
def test_secrets_are_not_in_the_repr(thing):
    assert "PLACEHOLDER" not in repr(thing)
    assert "PLACEHOLDER" not in str(thing.model_dump())


def test_golden_files_hold_no_secret_but_placeholders():
    for path in (Path(__file__).parent / "golden").glob("*.json"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if any(f'"{key}"' in line for key in SECRETS):
                assert "PLACEHOLDER" in line or ': ""' in line, f"{path.name}: {line}"


def test_terminal_reasons_have_terminal_codes():
    assert {reason for reason in CloseReason if reason.code >= 4100} == {
        CloseReason.UNAUTHORIZED,
        CloseReason.CLUSTER_DELETED,
        CloseReason.PROTOCOL_UNSUPPORTED,
    }
    assert len({reason.code for reason in CloseReason}) == len(CloseReason)


@pytest.mark.parametrize(("offered", "chosen"), [((1,), 1), ((1, 2), 1), ((2,), None), ((), None)])
def test_highest_shared_protocol_is_chosen(offered, chosen):
    assert choose_protocol(offered) == chosen
