"""What the Velero-side collections look like, for the API's description. Source: rest-api.md 2.17."""

from __future__ import annotations

from typing import Any

from ..kit.rest import ShownModel


class VeleroShown(ShownModel):
    """What all of them have."""

    name: str
    cluster: str
    namespace: str
    k8s_uid: str | None = None
    spec: dict[str, Any]
    status: dict[str, Any]


class InstanceShown(VeleroShown):
    """A Velero on a cluster."""


class BackupLocationShown(VeleroShown):
    """A BackupStorageLocation."""


class SnapshotLocationShown(VeleroShown):
    """A VolumeSnapshotLocation."""
