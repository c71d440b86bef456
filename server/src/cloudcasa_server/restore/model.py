"""The restore as clients set it, and what it asks of Velero. Pure. Source: rest-api.md 2.9."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from ..hook.labels import Labels
from ..hook.model import HookReference
from ..kit.rest import Name, ResourceModel
from ..kit.store import Document

COLLECTION = "kuberestores"


class RestoreSelection(ResourceModel):
    """Which part of the recovery point."""

    all_namespaces: bool = False
    namespaces: list[str] = Field(default_factory=list)
    label_selector: Labels = Field(default_factory=dict)
    restore_persistent_volumes: bool = Field(default=True, alias="restorePersistentVolumes")
    include_resource_types: list[str] = Field(default_factory=list)


class RestoreSettings(ResourceModel):
    """How what is restored looks on its cluster; of restores and migrations."""

    pre_hooks: list[HookReference] = Field(default_factory=list)
    post_hooks: list[HookReference] = Field(default_factory=list)
    namespaces_prefix: str = Field(default="", max_length=40, pattern=r"^([a-z0-9][-a-z0-9]*)?$")
    namespaces_suffix: str = Field(default="", max_length=40, pattern=r"^([-a-z0-9]*[a-z0-9])?$")
    namespaces_map: dict[str, str] = Field(default_factory=dict)
    storage_class_map: dict[str, str] = Field(default_factory=dict)
    options: dict[str, Any] | None = None


class Restore(RestoreSettings):
    """What a client sets on a restore."""

    name: Name
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    backup_inst: str
    cluster: str | None = None
    selection: RestoreSelection
    awseks: dict[str, Any] | None = None
    azure_aks: dict[str, Any] | None = None
    cloudaccount: str | None = None


def namespace_map(restore: Mapping[str, Any], /, *, namespaces: tuple[str, ...]) -> dict[str, str]:
    """Return {old: new} of the namespaces that change their names; the map goes before prefix and suffix."""
    given = restore.get("namespaces_map") or {}
    prefix, suffix = restore.get("namespaces_prefix") or "", restore.get("namespaces_suffix") or ""
    renamed = {name: f"{prefix}{name}{suffix}" for name in namespaces} | dict(given)
    return {old: new for old, new in renamed.items() if old != new}


def chosen_namespaces(restore: Mapping[str, Any], /, *, point: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the namespaces to restore; empty means all that the recovery point holds."""
    selected = restore["selection"]
    if not selected.get("all_namespaces"):
        return tuple(selected.get("namespaces") or ())
    source = point["backup_selection"]
    return () if source.get("all_namespaces") else tuple(source.get("namespaces") or ())


def touched_namespaces(restore: Mapping[str, Any], /, *, point: Mapping[str, Any]) -> list[str]:
    """Return every namespace that a restore reads or writes; empty when that is all, or not known by name."""
    chosen = chosen_namespaces(restore, point=point)
    return sorted({*chosen, *namespace_map(restore, namespaces=chosen).values()}) if chosen else []


def restore_payload(restore: Mapping[str, Any], /, *, point: Document, restore_name: str) -> dict[str, Any]:
    """Return the command `restore.run`, without its storage."""
    selected = restore["selection"]
    namespaces = chosen_namespaces(restore, point=point)
    return {
        "restore_name": restore_name,
        "backup_name": point["velero"]["backup_name"],
        "namespaces": list(namespaces),
        "included_resources": list(selected.get("include_resource_types") or ()),
        "label_selector": dict(selected.get("label_selector") or {}),
        "namespace_map": namespace_map(restore, namespaces=namespaces),
        "restore_volumes": selected.get("restorePersistentVolumes") is not False,
    }
