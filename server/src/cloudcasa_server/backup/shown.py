"""What the server shows of a backup definition beside what clients set, for the API's description. Source: rest-api.md 2.6."""

from __future__ import annotations

from ..job.shown import JobSummary
from ..kit.rest import ShownModel


class BackupVeleroStatus(ShownModel):
    """The last operation on a backup that Velero manages."""

    op_state: str | None = None
    op_message: str | None = None


class BackupStatus(ShownModel):
    """The latest runs."""

    last_job_run_time: int | None = None
    """When the latest run was opened, in seconds since 1970; absent before the first."""
    next_run_time: int | None = None
    """When it runs next by its schedule, in seconds since 1970; absent when it does not."""
    jobs: list[JobSummary] | None = None
    """The latest runs, newest first."""
    message: str | None = None
    velero: BackupVeleroStatus | None = None


class BackupShown(ShownModel):
    """The server's part of a backup definition."""

    status: BackupStatus
    copy_policy: str | None = None
    """The policy of its copy. Absent when there is none."""
    migrationdef: str | None = None
    """The migration that owns it; absent on ordinary backups."""
    velero_k8s_uid: str | None = None


EXAMPLE = {
    "name": "web",
    "cluster": "65aa00000000000000000010",
    "trigger_type": "ADHOC",
    "source": {"namespaces": ["web"], "snapshotPersistentVolumes": True},
}
RUN_EXAMPLE = {"retention": {"retainDays": 7}, "runBackup": True}
