"""What both backups and restores tell: problems, volumes, what Velero wrote."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from ..base import WireModel


class Problem(WireModel):
    """Why something did not end well: a slug for programs, a sentence and a remedy for people."""

    slug: str
    """Such as `foreign-velero`, `storage-unreachable`, `namespace-not-found`."""
    text: str
    remedy: str = ""


class Severity(StrEnum):
    """How much a finding of the pre-flight matters."""

    BLOCKS = "blocks"
    """Nothing, or nothing that can be trusted, is backed up until it is mended."""
    DEGRADES = "degrades"
    """Some of the work cannot be done, such as the data of some volumes."""
    NOTE = "note"
    """Worth knowing; nothing is lost by it."""


class Finding(Problem):
    """What the pre-flight found wanting on a cluster."""

    severity: str = Severity.DEGRADES.value
    """One of `Severity`; a reader shows one that it does not know as it is."""


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
