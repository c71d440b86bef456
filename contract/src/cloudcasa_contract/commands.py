"""What the server asks of an agent, and what the agent answers: one command model and one output model for each kind.

A command is a durable document on the server, delivered at least once; the agent makes it idempotent by labelling every object
it creates with the command's id (`COMMAND_LABEL`) and by looking there first. `kind` discriminates both unions.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from .base import KubernetesName, WireModel, WireSecret

COMMAND_LABEL = "cloudcasa.io/command-id"
"""The label, on every object that the agent creates for a command, whose value is the command's id."""

AGENT_NAMESPACE = "cloudcasa-io"
"""The namespace of the agent and of its own Velero on every client cluster. Source: seed."""


class StorageTarget(WireModel):
    """An object store as one cluster sees it: enough to make the BackupStorageLocation and its credential."""

    objectstore_id: str
    name: str
    provider: Literal["aws"] = "aws"
    bucket: str
    prefix: str
    """`<store prefix>/<cluster id>`, without slashes at the ends: the one place where the cluster's Velero may write."""
    region: str = "us-east-1"
    endpoint: str
    """Full URL, scheme included, no path: http(s)://host[:port]."""
    access_key: WireSecret
    secret_key: WireSecret
    ca_pem: str | None = None
    skip_tls_verification: bool = False
    read_only: bool = False
    """The prefix belongs to another cluster: restore from it, never write backups."""


class EngineImages(WireModel):
    """The images that the agent installs. Each is a full reference with registry, repository and tag."""

    velero: str
    plugin_aws: str
    pull_secret_name: str | None = None


class EngineEnsure(WireModel):
    """Check the cluster (pre-flight) and install or bring up to date the agent's own Velero."""

    kind: Literal["engine.ensure"] = "engine.ensure"
    images: EngineImages
    repository_password: WireSecret
    """Written to `velero-repo-credentials` before Velero's first start, since Velero would otherwise make one of its own."""


class Selection(WireModel):
    """Which objects of a cluster a backup takes."""

    all_namespaces: bool = False
    namespaces: tuple[str, ...] = ()
    excluded_namespaces: tuple[str, ...] = ()
    included_resources: tuple[str, ...] = ()
    excluded_resources: tuple[str, ...] = ()
    label_selector: dict[str, str] = Field(default_factory=dict)
    """Values separated by commas mean OR, several keys AND (rest-api.md 2.5)."""
    snapshot_volumes: bool = True


class BackupRun(WireModel):
    """Make one Velero backup and wait for its end."""

    kind: Literal["backup.run"] = "backup.run"
    backup_name: KubernetesName
    storage: StorageTarget
    selection: Selection
    move_data: bool
    """Read the volumes from their snapshots into the object store; otherwise only snapshots are kept (K8S_SNAP)."""
    ttl_seconds: int = Field(gt=0)
    csi_snapshot_timeout_seconds: int | None = None


class RestoreRun(WireModel):
    """Restore from a Velero backup and wait for the end."""

    kind: Literal["restore.run"] = "restore.run"
    restore_name: KubernetesName
    backup_name: KubernetesName
    storage: StorageTarget
    namespaces: tuple[str, ...] = ()
    """Empty: all of the backup."""
    included_resources: tuple[str, ...] = ()
    label_selector: dict[str, str] = Field(default_factory=dict)
    namespace_map: dict[str, str] = Field(default_factory=dict)
    restore_volumes: bool = True


class BackupDelete(WireModel):
    """Delete a Velero backup and its data, also when it is already partly gone."""

    kind: Literal["backup.delete"] = "backup.delete"
    backup_name: KubernetesName
    storage: StorageTarget


class InventoryCollect(WireModel):
    """Take the inventory now and answer it, instead of waiting for the next report."""

    kind: Literal["inventory.collect"] = "inventory.collect"


Command = Annotated[EngineEnsure | BackupRun | RestoreRun | BackupDelete | InventoryCollect, Field(discriminator="kind")]
COMMAND_ADAPTER: TypeAdapter[Command] = TypeAdapter(Command)


# --- what comes back -----------------------------------------------------------------------------------------------------------


class Problem(WireModel):
    """Why something did not end well: a slug for programs, a sentence and a remedy for people."""

    slug: str
    """Such as `foreign-velero`, `storage-unreachable`, `namespace-not-found`."""
    text: str
    remedy: str = ""


class VolumeResult(WireModel):
    """What became of one PVC."""

    namespace: str
    pvc: str
    method: str = ""
    """CSISnapshot, PodVolumeBackup, NativeSnapshot or empty, as Velero's volume info says."""
    is_data_moved: bool = False
    succeeded: bool = True
    skipped_reason: str = ""
    size_bytes: int = 0
    incremental_bytes: int = 0


class Artifacts(WireModel):
    """What Velero wrote about a backup or restore, read by the agent, since only it is sure to reach the bucket."""

    log: str = ""
    """The log, in the end of it if `is_log_cut`."""
    is_log_cut: bool = False
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    volumes: tuple[VolumeResult, ...] = ()
    resources: dict[str, int] = Field(default_factory=dict)
    """Number of objects by `<apiVersion>/<Kind>`."""
    missing: tuple[str, ...] = ()
    """Artifacts that could not be read, each with the reason: what is missing is never reported as empty."""


class EngineOutput(WireModel):
    """The engine is installed and answers."""

    kind: Literal["engine.ensure"] = "engine.ensure"
    velero_version: str
    plugins: tuple[str, ...] = ()
    findings: tuple[Problem, ...] = ()
    """Not fatal: no VolumeSnapshotClass for a driver, no CSI driver."""


class BackupOutput(WireModel):
    """The end of a backup. `phase` is Velero's own."""

    kind: Literal["backup.run"] = "backup.run"
    phase: str
    started_at: datetime | None = None
    completed_at: datetime | None = None
    total_items: int = 0
    items_backed_up: int = 0
    errors: int = 0
    warnings: int = 0
    snapshots_attempted: int = 0
    snapshots_completed: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    format_version: str = ""
    failure_reason: str = ""
    artifacts: Artifacts = Artifacts()


class RestoreOutput(WireModel):
    """The end of a restore. `phase` is Velero's own."""

    kind: Literal["restore.run"] = "restore.run"
    phase: str
    started_at: datetime | None = None
    completed_at: datetime | None = None
    total_items: int = 0
    items_restored: int = 0
    errors: int = 0
    warnings: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    failure_reason: str = ""
    artifacts: Artifacts = Artifacts()


class DeleteOutput(WireModel):
    """The backup is gone. `was_missing`: it had been gone before."""

    kind: Literal["backup.delete"] = "backup.delete"
    was_missing: bool = False


class PvcInfo(WireModel):
    """A claim, as the inventory shows it."""

    namespace: str
    name: str
    storage_class: str = ""
    capacity_bytes: int = 0
    phase: str = ""
    driver: str = ""
    """The CSI driver of its volume, empty when it is not a CSI volume."""
    uid: str = ""
    volume_name: str = ""
    """Its PersistentVolume, empty when it is not bound."""
    volume_handle: str = ""
    volume_mode: str = ""
    volume_type: str = ""
    """Where the volume comes from, as the PersistentVolume names it: `csi`, `nfs`, `hostPath` …"""
    zone: str = ""
    region: str = ""


class StorageClassInfo(WireModel):
    """A storage class, and whether its volumes can be snapshotted."""

    name: str
    provisioner: str
    is_default: bool = False
    snapshot_class: str = ""
    """The VolumeSnapshotClass that Velero would use, empty when there is none."""
    uid: str = ""
    parameters: dict[str, str] = Field(default_factory=dict)
    reclaim_policy: str = ""
    mount_options: tuple[str, ...] = ()
    allow_volume_expansion: bool = False
    volume_binding_mode: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


class Inventory(WireModel):
    """What the cluster holds."""

    kind: Literal["inventory.collect"] = "inventory.collect"
    taken_at: datetime
    kubernetes_version: str
    node_count: int
    namespaces: tuple[str, ...]
    namespace_uids: dict[str, str] = Field(default_factory=dict)
    """By name; empty from agents that do not tell."""
    pvcs: tuple[PvcInfo, ...] = ()
    storage_classes: tuple[StorageClassInfo, ...] = ()


Output = Annotated[EngineOutput | BackupOutput | RestoreOutput | DeleteOutput | Inventory, Field(discriminator="kind")]
OUTPUT_ADAPTER: TypeAdapter[Output] = TypeAdapter(Output)
