"""Making a backup and deleting one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from ..base import KubernetesName, WireModel
from .hooks import HookReport, HookRun
from .results import Artifacts
from .storage import StorageTarget

RECORD_ANNOTATION = "cloudcasa.io/recovery-point"
"""The annotation of a Backup that holds `BackupRun.record`: Velero writes it into the bucket with the Backup itself."""


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
    record: str = ""
    """What a server that knows the bucket only must find again, JSON of its own making."""
    hooks: tuple[HookRun, ...] = ()


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
    hooks: HookReport | None = None
    """None from an agent that runs no hooks, or when there were none to run."""


class BackupDelete(WireModel):
    """Delete a Velero backup and its data, also when it is already partly gone."""

    kind: Literal["backup.delete"] = "backup.delete"
    backup_name: KubernetesName
    storage: StorageTarget
    not_before: datetime | None = None
    """Until when the backup was promised to be kept: an agent whose clock says that this is not over refuses. None: somebody wants it gone."""


class DeleteOutput(WireModel):
    """The backup is gone. `was_missing`: it had been gone before."""

    kind: Literal["backup.delete"] = "backup.delete"
    was_missing: bool = False
