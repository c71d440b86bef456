"""The backup definition as clients set it, and what it asks of Velero. Pure. Source: rest-api.md 2.6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from cloudcasa_contract.commands import AGENT_NAMESPACE, Selection
from pydantic import Field

from ..hook.labels import Labels
from ..hook.model import HookReference
from ..kit.rest import Name, ResourceModel
from ..kit.store import Document
from ..policy.model import MAX_RETAIN_DAYS

COLLECTION = "kubebackups"
DEFAULT_RETAIN_DAYS = 7
DAY_SECONDS = 86400
VELERO_TTL_SECONDS = 200 * 365 * DAY_SECONDS
"""Velero's own ttl of every Backup: beyond any retention and near the longest that it can count. The server says what goes, not a Velero
that knows of no minimum to keep; nor shall another Velero that reads the bucket one day (docs/adr/0035)."""
MAX_SNAPSHOT_MINUTES = 10_080
_CLAIM_KINDS = frozenset({"persistentvolumeclaims", "persistentvolumeclaim", "pvc"})


class Source(ResourceModel):
    """Which objects of the cluster."""

    all_namespaces: bool = False
    namespaces: list[str] = Field(default_factory=list)
    excluded_namespaces: list[str] = Field(default_factory=list)
    included_resources: list[str] = Field(default_factory=list)
    excluded_resources: list[str] = Field(default_factory=list)
    label_selector: Labels = Field(default_factory=dict)
    snapshot_persistent_volumes: bool = Field(default=True, alias="snapshotPersistentVolumes")
    snapshot_longhorn: bool | None = None
    include_unattached_pvcs: bool | None = None
    csi_snapshot_timeout: Annotated[int, Field(gt=0, le=MAX_SNAPSHOT_MINUTES)] | None = None
    """How long a CSI snapshot may take, in minutes. The one client that sends it (C3, rest-api.md 2.6) sends a bare number and nothing
    public says its unit. Decided: minutes, because Velero's own default is written `10m` and C3's values are that small; read as
    seconds, such a value would fail every snapshot, while minutes read too long only wait. None: Velero's default, 10 minutes."""


class VeleroOptions(ResourceModel):
    """What a user's own Velero is told: of clusters with agent_type VELERO only (C3, rest-api.md 2.6)."""

    fs_backup: bool | None = None
    storage_location: str | None = None
    volume_snapshot_locations: list[str] | None = None
    retention_days: Annotated[int, Field(ge=1, le=MAX_RETAIN_DAYS)] | None = None


class BackupDefinition(ResourceModel):
    """What a client sets on a backup definition."""

    name: Name
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    cluster: str
    trigger_type: Literal["SCHEDULED", "ADHOC"] = "SCHEDULED"
    policy: str | None = None
    copydef: str | None = None
    source: Source
    pre_hooks: list[HookReference] = Field(default_factory=list)
    post_hooks: list[HookReference] = Field(default_factory=list)
    pause: bool = False
    keep_last_good: bool | None = None
    """Our own addition: whether the newest recovery point in which everything is stays beyond its expiry. None: as the installation has it."""
    velero: VeleroOptions | None = None


class Retention(ResourceModel):
    """How long what a run makes is kept."""

    retain_days: Annotated[int, Field(ge=1, le=MAX_RETAIN_DAYS)] = Field(default=DEFAULT_RETAIN_DAYS, alias="retainDays")
    num_always_retain: Annotated[int, Field(ge=0, le=30)] = Field(default=0, alias="numAlwaysRetain")


class RunRequest(ResourceModel):
    """The body of the action `run`."""

    retention: Retention = Field(default_factory=Retention)
    run_backup: bool = Field(default=True, alias="runBackup")
    """Read and of no effect: a fresh snapshot is taken in every run, also where an existing one might be copied."""

    def retention_document(self) -> Document:
        """Return the retention with its wire names."""
        return self.retention.model_dump(by_alias=True)


def selection(source: Mapping[str, Any], /) -> Selection:
    """Return what a definition's source means to the agent."""
    return Selection(
        all_namespaces=bool(source.get("all_namespaces")),
        namespaces=tuple(source.get("namespaces") or ()) if not source.get("all_namespaces") else (),
        excluded_namespaces=tuple(source.get("excluded_namespaces") or ()),
        included_resources=tuple(source.get("included_resources") or ()),
        excluded_resources=tuple(source.get("excluded_resources") or ()),
        label_selector=dict(source.get("label_selector") or {}),
        snapshot_volumes=source.get("snapshotPersistentVolumes") is not False,
    )


def named_namespaces(source: Mapping[str, Any], /) -> tuple[str, ...]:
    """Return the only namespaces that a source takes; empty when it takes all."""
    return selection(source).namespaces


def takes_claim(source: Mapping[str, Any], namespace: str, /) -> bool:
    """Tell whether a source takes every claim of a namespace: False too where a label or a list of resources may leave some out."""
    chosen = selection(source)
    kinds = {name.split(".")[0].lower() for name in chosen.included_resources}
    if not chosen.snapshot_volumes or chosen.label_selector or _CLAIM_KINDS & {name.lower() for name in chosen.excluded_resources}:
        return False
    if (kinds and not (_CLAIM_KINDS | {"*"}) & kinds) or namespace in {*chosen.excluded_namespaces, AGENT_NAMESPACE}:
        return False
    return chosen.all_namespaces or namespace in chosen.namespaces


def backup_payload(job: Document, /, *, move_data: bool) -> dict[str, Any]:
    """Return the command `backup.run` of a job, without its storage."""
    data = job["script"]["data"]
    minutes = data["source"].get("csi_snapshot_timeout")
    return {
        "backup_name": data["backup_name"],
        "selection": selection(data["source"]).model_dump(mode="json"),
        "move_data": move_data,
        "ttl_seconds": VELERO_TTL_SECONDS,
        "csi_snapshot_timeout_seconds": minutes * 60 if minutes else None,
        "hooks": data.get("hooks", []),
    }


def object_name(job: Document, /) -> str:
    """Return the name of a job's Velero object: unique over all clusters, since a bucket may be shared."""
    return f"cc-{job['cluster'][-8:]}-{job['_id']}"
