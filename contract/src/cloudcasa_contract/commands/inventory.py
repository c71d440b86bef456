"""What a cluster holds."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from ..base import WireModel


class InventoryCollect(WireModel):
    """Take the inventory now and answer it, instead of waiting for the next report."""

    kind: Literal["inventory.collect"] = "inventory.collect"


class PvcInfo(WireModel):
    """A claim, as the inventory shows it."""

    namespace: str
    name: str
    storage_class: str = ""
    capacity_bytes: int = 0
    phase: str = ""
    driver: str = ""
    """The CSI driver of its volume, empty when it is not a CSI volume."""
    uid: str = ""
    volume_name: str = ""
    """Its PersistentVolume, empty when it is not bound."""
    volume_handle: str = ""
    volume_mode: str = ""
    volume_type: str = ""
    """Where the volume comes from, as the PersistentVolume names it: `csi`, `nfs`, `hostPath` …"""
    zone: str = ""
    region: str = ""


class StorageClassInfo(WireModel):
    """A storage class, and whether its volumes can be snapshotted."""

    name: str
    provisioner: str
    is_default: bool = False
    snapshot_class: str = ""
    """The VolumeSnapshotClass that Velero would use, empty when there is none."""
    uid: str = ""
    parameters: dict[str, str] = Field(default_factory=dict)
    reclaim_policy: str = ""
    mount_options: tuple[str, ...] = ()
    allow_volume_expansion: bool = False
    volume_binding_mode: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


class Inventory(WireModel):
    """What the cluster holds."""

    kind: Literal["inventory.collect"] = "inventory.collect"
    taken_at: datetime
    kubernetes_version: str
    node_count: int
    namespaces: tuple[str, ...]
    namespace_uids: dict[str, str] = Field(default_factory=dict)
    """By name; empty from agents that do not tell."""
    pvcs: tuple[PvcInfo, ...] = ()
    storage_classes: tuple[StorageClassInfo, ...] = ()
