"""The states of clusters, jobs and recovery points as the REST API shows them, and Velero's phases as Velero spells them.

Source: rest-api.md 2.1, 2.8, 3; Velero v1.18.3 api types. Phases are an open set for a reader: keep the string, map unknown to running.
"""

from __future__ import annotations

from enum import StrEnum


class ClusterState(StrEnum):
    """How far a cluster has come. REGISTERED -> ACTIVE <-> PENDING."""

    REGISTERED = "REGISTERED"
    ACTIVE = "ACTIVE"
    PENDING = "PENDING"


class JobState(StrEnum):
    """The state of one run."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    CATALOG = "CATALOG"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLING = "CANCELLING"
    CANCELED = "CANCELED"

    @property
    def is_final(self) -> bool:
        """Tell whether the run has ended."""
        return self in FINAL_JOB_STATES


FINAL_JOB_STATES = frozenset({JobState.COMPLETED, JobState.PARTIAL, JobState.FAILED, JobState.SKIPPED, JobState.CANCELED})


class JobType(StrEnum):
    """What a run does."""

    K8S_SNAP = "K8S_SNAP"
    K8S_COPY = "K8S_COPY"
    RESTORE = "RESTORE"
    DELETE_BACKUP = "DELETE_BACKUP"
    IMPORT = "IMPORT"
    """Recovery points are made again from what lies in an object store; of no cluster."""


class RecoveryPointState(StrEnum):
    """Whether a recovery point can be restored from: only READY ones."""

    PENDING = "PENDING"
    READY = "READY"
    DELETING = "DELETING"


class VeleroPhase(StrEnum):
    """Terminal phases of Backup and Restore, and the running ones that we name."""

    NEW = "New"
    IN_PROGRESS = "InProgress"
    WAITING_FOR_PLUGIN_OPERATIONS = "WaitingForPluginOperations"
    FINALIZING = "Finalizing"
    COMPLETED = "Completed"
    PARTIALLY_FAILED = "PartiallyFailed"
    FAILED = "Failed"
    FAILED_VALIDATION = "FailedValidation"
    DELETING = "Deleting"


TERMINAL_VELERO_PHASES = frozenset({VeleroPhase.COMPLETED, VeleroPhase.PARTIALLY_FAILED, VeleroPhase.FAILED, VeleroPhase.FAILED_VALIDATION})
