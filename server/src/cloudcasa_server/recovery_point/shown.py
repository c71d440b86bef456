"""What the server shows of a recovery point, for the API's description. Source: rest-api.md 2.8."""

from __future__ import annotations

from cloudcasa_contract.states import RecoveryPointState

from ..job.shown import JobRetention
from ..kit.rest import ShownModel


class BackupLocation(ShownModel):
    """Where the data lies."""

    backup_provider: str | None = None
    bucket_name: str | None = None
    region: str | None = None
    endpoint: str | None = None
    prefix: str | None = None
    backup_repo_prefix: str | None = None
    backup_location_info: str
    """For people."""


class PointStatus(ShownModel):
    """What holds of the data."""

    deleted: bool | None = None
    locked: bool | None = None
    """It cannot be deleted before it expires."""
    complete: bool | None = None
    """Everything that was asked for is in it. The newest such one of a definition does not expire (docs/user/retention.md)."""
    s3_dir_deleted: bool | None = None
    backup_size_set: bool | None = None


class AgentInfo(ShownModel):
    """What the agent said."""

    format_version: str | None = None
    phase: str | None = None


class RecoveryPointShown(ShownModel):
    """A recovery point: the server writes all of it."""

    name: str
    state: RecoveryPointState
    """Only READY ones can be restored from."""
    type: str
    """SNAPSHOT or COPY."""
    source_type: str
    cluster: str
    cluster_name: str
    backupdef: str | None = None
    backupdef_name: str | None = None
    offload_def: str | None = None
    objectstore: str | None = None
    cloudaccount: str | None = None
    source_backupinst: str | None = None
    backup_job_id: str | None = None
    offload_snapshot_job_id: str | None = None
    start_time: int
    end_time: int | None = None
    expiry_timestamp: int | None = None
    """Until when it is kept, in seconds since 1970."""
    retention: JobRetention
    backup_selection: dict[str, object] | None = None
    """The `source` of the backup as it was."""
    backup_location: BackupLocation
    pv_count: int | None = None
    num_total_resources: int | None = None
    num_backup_resources: int | None = None
    num_volume_snapshots_attempted: int | None = None
    num_volume_snapshots_completed: int | None = None
    num_errors: int | None = None
    num_warnings: int | None = None
    backup_storage_size: int | None = None
    protected_storage_size: int | None = None
    total_snapshot_data: int | None = None
    total_copy_data: int
    """Bytes that were copied."""
    status: PointStatus
    message: str | None = None
    import_time: int | None = None
    """When it was imported from the object store, in seconds since 1970; absent when this server made it."""
    kubeagent_info: AgentInfo | None = None


EXAMPLE = {
    "name": "backupinst-1764000000",
    "state": "READY",
    "type": "COPY",
    "source_type": "kubernetes",
    "cluster": "65aa00000000000000000010",
    "cluster_name": "prod-eu",
    "backupdef": "65aa00000000000000000031",
    "backupdef_name": "web",
    "objectstore": "65aa00000000000000000001",
    "start_time": 1_764_000_000,
    "end_time": 1_764_000_120,
    "expiry_timestamp": 1_764_604_920,
    "retention": {"retainDays": 7, "numAlwaysRetain": 0},
    "backup_location": {"backup_location_info": "minio-lab (lab-backups)"},
    "pv_count": 1,
    "total_copy_data": 1_048_576,
    "status": {"deleted": False, "locked": False},
}
