"""What a restore takes from a backup and where it puts it: the same for a restore and for the look ahead at one."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..base import KubernetesName, WireModel
from .storage import StorageTarget


class ObjectRef(WireModel):
    """One object of a backup. Without a namespace it belongs to the whole cluster."""

    kind: str
    """As manifests name it, such as `ConfigMap`; with its group where that is needed to tell two apart, as in `Ingress.networking.k8s.io`."""
    namespace: str = ""
    name: str


class RestoreScope(WireModel):
    """Which objects of a backup come back, under which names, and what happens where one exists."""

    backup_name: KubernetesName
    storage: StorageTarget
    namespaces: tuple[str, ...] = ()
    """Empty: all of the backup."""
    included_resources: tuple[str, ...] = ()
    label_selector: dict[str, str] = Field(default_factory=dict)
    objects: tuple[ObjectRef, ...] = ()
    """Only these, and what they cannot be without; namespaces, kinds and labels are then empty."""
    namespace_map: dict[str, str] = Field(default_factory=dict)
    namespace_prefix: str = ""
    namespace_suffix: str = ""
    """Both of the namespaces that the map does not name; they are given where only the backup itself tells which namespaces it holds."""
    storage_class_map: dict[str, str] = Field(default_factory=dict)
    """Storage classes to use, by those that the backup names."""
    existing: Literal["skip", "update"] = "skip"
    """What happens to an object that exists and differs."""
    modifiers: tuple[dict[str, Any], ...] = ()
    """Rules of Velero's resource modifiers, in its own form, applied after the storage classes."""
    restore_volumes: bool = True
