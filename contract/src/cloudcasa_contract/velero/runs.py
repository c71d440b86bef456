"""What the status of a Backup says about its end. Pure. Source: velero v1.18.3 pkg/apis/velero/v1/backup_types.go."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def run_end(status: Mapping[str, Any], /) -> dict[str, Any]:
    """Return what backups and restores say alike, as fields of their outputs."""
    return {
        "started_at": _time(status.get("startTimestamp")),
        "completed_at": _time(status.get("completionTimestamp")),
        "total_items": (status.get("progress") or {}).get("totalItems", 0),
        "errors": status.get("errors", 0),
        "warnings": status.get("warnings", 0),
        "failure_reason": str(status.get("failureReason") or "") or "; ".join(status.get("validationErrors") or []),
    }


def backup_counts(status: Mapping[str, Any], /) -> dict[str, Any]:
    """Return what only backups say, as fields of BackupOutput."""
    return {
        "items_backed_up": (status.get("progress") or {}).get("itemsBackedUp", 0),
        "snapshots_attempted": status.get("csiVolumeSnapshotsAttempted", 0) + status.get("volumeSnapshotsAttempted", 0),
        "snapshots_completed": status.get("csiVolumeSnapshotsCompleted", 0) + status.get("volumeSnapshotsCompleted", 0),
        "format_version": status.get("formatVersion", ""),
    }


def _time(value: str | None, /) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
