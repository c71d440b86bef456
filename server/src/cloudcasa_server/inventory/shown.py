"""What the server shows of what is in a cluster, for the API's description. Source: rest-api.md 2.12."""

from __future__ import annotations

from ..kit.rest import ShownModel


class NamespaceShown(ShownModel):
    """A namespace."""

    name: str
    cluster_id: str
    k8s_uid: str | None = None
    backupinst_id: str | None = None
    """Of a namespace inside a recovery point."""


class ClaimShown(ShownModel):
    """A persistent volume claim."""

    name: str
    cluster_id: str
    namespace_name: str
    k8s_uid: str | None = None
    backupinst_id: str | None = None
    restore_size: int | None = None
    allocated_size: int | None = None
    """Bytes."""
    driver: str | None = None
    volume_snapshot_class_name: str | None = None
    storage_class_name: str | None = None
    volume_handle: str | None = None
    snapshot_handle: str | None = None
    volume_type: str | None = None
    volume_mode: str | None = None
    phase: str | None = None
    snapshot_taken: bool | None = None
    pv_name: str | None = None
    zone_name: str | None = None
    region_name: str | None = None
    offload_recover_point_id: str | None = None


class StorageClassShown(ShownModel):
    """A storage class."""

    name: str
    cluster_id: str
    provisioner: str
    is_default: bool | None = None
    volume_snapshot_class_name: str | None = None
    k8s_uid: str | None = None
    parameters: dict[str, str] | None = None
    reclaim_policy: str | None = None
    mount_options: list[str] | None = None
    allow_volume_expansion: bool | None = None
    volume_binding_mode: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
