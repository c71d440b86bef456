"""What the server shows of a job, for the API's description. Source: rest-api.md 2.11, 3."""

from __future__ import annotations

from cloudcasa_contract.states import JobState

from ..kit.rest import ShownModel


class JobSummary(ShownModel):
    """A run of a definition in short: texts only, since clients decode them as such."""

    jobid: str
    state: str
    message: str


class RunStatus(ShownModel):
    """The latest runs of a definition that starts jobs."""

    state: str
    """PENDING before the first run, then JOB_CREATED or FAILED."""
    jobid: str | None = None
    message: str | None = None
    last_job_run_time: int | None = None
    """When the latest run was opened, in seconds since 1970; absent before the first."""
    jobs: list[JobSummary] | None = None
    """The latest runs, newest first."""


class JobRetention(ShownModel):
    """How long what the run makes is kept."""

    retainDays: int  # noqa: N815 -- the wire's name
    numAlwaysRetain: int | None = None  # noqa: N815
    locked: bool | None = None
    """What it makes cannot be deleted before it expires. Absent when somebody started it."""


class CopyStats(ShownModel):
    """How much of the data is copied, in bytes and files."""

    estimated_size: int | None = None
    estimated_number_of_files: int | None = None
    io_size: int | None = None
    io_number_of_files: int | None = None
    transferred_size: int | None = None
    transferred_number_of_files: int | None = None


class CopyProgress(ShownModel):
    """How far the volumes of a copy are."""

    stats: CopyStats
    total_pvs: int
    pending_pvs: int
    active_pvs: int
    completed_pvs: int
    failed_pvs: int


class SnapshotProgress(ShownModel):
    """How far the volumes of a snapshot run are."""

    total_pvs: int | None = None
    pending_pvs: int | None = None
    active_pvs: int | None = None
    completed_pvs: int | None = None
    failed_pvs: int | None = None
    skipped_pvs: int | None = None


class PvcProgressShown(ShownModel):
    """How far one volume of a job is."""

    name: str
    namespace: str
    cluster: str
    job_id: str
    state: str
    """PENDING, ACTIVE, COMPLETED, FAILED or SKIPPED."""
    op_type: str
    """SNAP or COPY."""
    message: str
    stats: CopyStats
    start_time: int | None = None
    """When its work was first heard of, in seconds since 1970."""
    end_time: int | None = None
    snapshot_progress_percentage: int | None = None


class JobReason(ShownModel):
    """Why a job did not end COMPLETED: one of docs/reference/reasons.md."""

    slug: str
    sentence: str
    """What happened in general; the job's message says it in particular."""
    remedy: str
    """What to do about it."""


class ImportedCluster(ShownModel):
    """How the import of one cluster's recovery points is doing."""

    cluster: str
    name: str
    is_new: bool
    """This server did not know it: it is registered under its old id."""
    backups: int
    """Found in the store."""
    looked_at: int
    ready: int
    """Imported, or of a dry run: would be; to be restored from."""
    incomplete: int
    """Imported as PENDING: something that a restore needs is missing."""
    known: int
    left_out: int
    """No recovery point can be made of them."""


class ImportProblem(ShownModel):
    """Why a backup was not imported, or not as READY."""

    cluster: str
    backup: str
    text: str


class ImportResult(ShownModel):
    """What an import found."""

    dry_run: bool
    clusters: list[ImportedCluster]
    problems: list[ImportProblem]
    """The first 200."""
    problem_count: int


class JobHookResult(ShownModel):
    """One command of an application hook in one pod."""

    hook: str
    phase: str
    """pre or post."""
    namespace: str
    pod: str
    container: str
    state: str
    """DONE, FAILED, NOT_RUN or UNKNOWN: it failed in one of several pods, and Velero does not say in which."""
    error: str
    output: str
    """The end of what a command wrote that failed."""


class JobHooks(ShownModel):
    """What became of the application hooks of a run."""

    attempted: int
    failed: int
    results: list[JobHookResult]
    """What did not go well first; of very many only the first."""
    is_cut: bool
    unmatched: list[str]
    """Hooks for which there was no pod."""


class JobShown(ShownModel):
    """A job: the server writes all of it."""

    name: str
    type: str
    """K8S_SNAP, K8S_COPY, RESTORE, DELETE_BACKUP … An open set."""
    display_type: str | None = None
    display_name: str | None = None
    """Of the definition."""
    state: JobState
    message: str
    start_time: int
    """When it was opened, in seconds since 1970."""
    end_time: int | None = None
    """When it ended; absent before."""
    reason: JobReason | None = None
    """Why it did not end COMPLETED; absent before it has ended, and when all is well."""
    activity: list[str]
    """Progress, a line each."""
    phase: str | None = None
    cluster: str | None = None
    cluster_name: str | None = None
    backupdef: str | None = None
    backupdef_name: str | None = None
    backupdef_source: str | None = None
    """Of a restore: the backup that its recovery point is of."""
    offloaddef: str | None = None
    offloaddef_name: str | None = None
    restoredef: str | None = None
    restoredef_name: str | None = None
    migrationdef: str | None = None
    backup_inst: str | None = None
    offload_backup_inst: str | None = None
    objectstore: str | None = None
    """Of an import: where it reads."""
    import_result: ImportResult | None = None
    policy_id: str | None = None
    """The policy by which it ran; absent when somebody started it."""
    scheduled_time: int | None = None
    """When it was due by its schedule, in seconds since 1970; absent when somebody started it."""
    cloudaccount: str | None = None
    retention: JobRetention | None = None
    jobrunner: str | None = None
    num_total_resources: int | None = None
    num_backup_resources: int | None = None
    num_restored_resources: int | None = None
    num_volume_snapshots_attempted: int | None = None
    num_volume_snapshots_completed: int | None = None
    num_total_snapshots: int | None = None
    num_snapshot_offload_attempted: int | None = None
    num_snapshot_offload_completed: int | None = None
    hooks: JobHooks | None = None
    """Absent when the run has no hooks."""
    num_errors: int | None = None
    num_warnings: int | None = None
    kube_copy_progress: CopyProgress | None = None
    kube_snapshot_progress: SnapshotProgress | None = None
    record_offload_snapshot_job: bool | None = None
    process_logs: bool | None = None


EXAMPLE = {
    "name": "prod-eu-1764000000",
    "type": "K8S_COPY",
    "display_type": "K8S_COPY",
    "display_name": "web",
    "state": "COMPLETED",
    "message": "Backup Successful",
    "start_time": 1_764_000_000,
    "end_time": 1_764_000_120,
    "activity": ["Saving catalog", "Backup Successful"],
    "cluster": "65aa00000000000000000010",
    "cluster_name": "prod-eu",
    "backupdef": "65aa00000000000000000031",
    "backupdef_name": "web",
}
PVC_EXAMPLE = {
    "name": "data",
    "namespace": "web",
    "cluster": "65aa00000000000000000010",
    "job_id": "65aa000000000000000000f1",
    "state": "ACTIVE",
    "op_type": "COPY",
    "message": "",
    "stats": {"estimated_size": 1_048_576, "io_size": 524_288, "transferred_size": 524_288},
    "start_time": 1_764_000_010,
}
