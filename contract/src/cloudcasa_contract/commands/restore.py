"""Restoring."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from ..base import KubernetesName, WireModel
from .hooks import HookReport, HookRun
from .results import Artifacts
from .scope import RestoreScope


class RestoreRun(RestoreScope):
    """Restore from a Velero backup and wait for the end."""

    kind: Literal["restore.run", "restore.run.2"] = "restore.run"
    """The second one asks for what an agent of the version before does not know and would leave out: such a one must refuse it instead."""
    restore_name: KubernetesName
    preserve_node_ports: bool = False
    parallel_downloads: int = 0
    """Files of one volume that are read at a time; 0: as Velero chooses."""
    hooks: tuple[HookRun, ...] = ()


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
    hooks: HookReport | None = None
    """None from an agent that runs no hooks, or when there were none to run."""
