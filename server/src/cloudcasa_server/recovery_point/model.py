"""The recovery point that follows from a job and the end of its backup. Pure. Source: rest-api.md 2.8."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cloudcasa_contract.commands import BackupOutput, VolumeResult
from cloudcasa_contract.states import JobType, RecoveryPointState

from ..kit.store import Document, Index

COLLECTION = "backupinstances"
DAY_SECONDS = 86400

INDEXES = (
    Index("cluster", (("cluster", 1), ("state", 1), ("start_time", -1))),
    Index("kind", (("cluster", 1), ("state", 1), ("type", 1), ("start_time", -1))),
    Index("backupdef", (("backupdef", 1), ("start_time", -1))),
    Index("objectstore", (("objectstore", 1), ("state", 1))),
    Index("expiry", (("state", 1), ("expiry_timestamp", 1)), covers=("sweep.at",)),
    Index("sweep", (("state", 1), ("sweep.at", 1))),
    Index("backup_job_id", (("backup_job_id", 1),), unique=True),
)


def point_id(cluster_id: str, backup_name: str, /) -> str:
    """Return the id of the recovery point of a backup: the same on every server that finds the backup in a bucket (docs/adr/0031)."""
    return sha256(f"{cluster_id}/{backup_name}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the data lies: the store and the prefix of the cluster in it."""

    objectstore: Document
    prefix: str
    endpoint: str


def resource_counts(output: BackupOutput, /) -> dict[str, int]:
    """Return the counts that a job and its recovery point share."""
    return {
        "num_total_resources": output.total_items,
        "num_backup_resources": output.items_backed_up,
        "num_volume_snapshots_attempted": output.snapshots_attempted,
        "num_volume_snapshots_completed": output.snapshots_completed,
        "num_errors": max(output.errors, len(output.artifacts.errors)),
        "num_warnings": max(output.warnings, len(output.artifacts.warnings)),
    }


def build_point(
    job: Document, output: BackupOutput, /, *, place: Place, message: str, now: float, is_complete: bool = False
) -> dict[str, Any]:
    """Return the fields of the READY recovery point of an ended backup; `is_complete`: nothing is missing of what was asked for."""
    is_copy = job["type"] == JobType.K8S_COPY.value
    end = int(output.completed_at.timestamp()) if output.completed_at else int(now)
    retention = job["retention"]
    volumes = [volume for volume in output.artifacts.volumes if volume.succeeded and not volume.skipped_reason]
    size = sum(volume.size_bytes for volume in volumes)
    backup_name = job["script"]["data"]["backup_name"]
    return {
        "_id": point_id(job["cluster"], backup_name),
        "name": f"backupinst-{job['start_time']}",
        "state": RecoveryPointState.READY.value,
        "type": "COPY" if is_copy else "SNAPSHOT",
        "source_type": "kubernetes",
        **{key: job[key] for key in ("cluster", "cluster_name", "backupdef", "backupdef_name")},
        **({"offload_def": job["offloaddef"]} if job.get("offloaddef") else {}),
        "objectstore": place.objectstore["_id"],
        "backup_job_id": job["_id"],
        "start_time": job["start_time"],
        "end_time": end,
        "expiry_timestamp": end + retention["retainDays"] * DAY_SECONDS,
        "retention": retention,
        "backup_selection": job["script"]["data"]["source"],
        "backup_location": _location(place),
        "pv_count": len(volumes),
        **resource_counts(output),
        "backup_storage_size": _copied(volumes) if is_copy else 0,
        "protected_storage_size": size,
        "total_snapshot_data": 0 if is_copy else size,
        "total_copy_data": _copied(volumes) if is_copy else 0,
        "status": {
            "deleted": False,
            "locked": bool(retention.get("locked")),
            "complete": is_complete,
            "s3_dir_deleted": False,
            "backup_size_set": True,
        },
        "message": message,
        "kubeagent_info": {"format_version": output.format_version, "phase": output.phase},
        "velero": {
            "backup_name": backup_name,
            "volumes": [volume.model_dump(mode="json") for volume in output.artifacts.volumes],
            "resources": [{"kind": kind, "count": count} for kind, count in sorted(output.artifacts.resources.items())],
        },
    }


def _copied(volumes: list[VolumeResult]) -> int:
    return sum(volume.size_bytes for volume in volumes if volume.is_data_moved or volume.method == "PodVolumeBackup")


def _location(place: Place) -> Document:
    store = place.objectstore
    return {
        "backup_provider": store.get("provider_type", "aws"),
        "bucket_name": store["bucket_name"],
        "region": store.get("region") or "",
        "endpoint": place.endpoint,
        "prefix": place.prefix,
        "backup_repo_prefix": f"{place.prefix}/kopia",
        "backup_location_info": f"{store['name']} ({store['bucket_name']})",
    }
