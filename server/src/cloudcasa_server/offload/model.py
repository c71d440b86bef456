"""The copy definition as clients set it. Pure. Source: rest-api.md 2.7."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..kit.rest import Name, ResourceModel

COLLECTION = "kubeoffloads"


class OffloadProvider(ResourceModel):
    """Where to. Empty: the cluster's store, or the only one there is."""

    type: str | None = None
    region: str | None = None
    user_objectstore: str | None = None


class Offload(ResourceModel):
    """What a client sets on a copy definition."""

    name: Name
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    cluster: str | None = None
    backupdef: str | None = None
    backup_inst: str | None = None
    trigger_type: Literal["SCHEDULED", "ADHOC"] = "SCHEDULED"
    policy: str | None = None
    run_backup: bool = False
    delete_snapshots: bool = True
    snapshot_longhorn: bool | None = None
    skip_live_copy: bool | None = None
    offload_provider: OffloadProvider | None = None
    options: dict[str, Any] | None = None
    pause: bool = False
