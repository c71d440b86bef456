"""Restoring."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from ..base import KubernetesName, WireModel
from .results import Artifacts
from .storage import StorageTarget


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
