"""The restore as clients set it. Pure. Source: rest-api.md 2.9; `selection.objects` is our own addition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from cloudcasa_contract.velero import renamed
from pydantic import Field

from ..hook.labels import Labels
from ..hook.model import HookReference
from ..kit.rest import Name, ResourceModel
from .options import RestoreOptions

COLLECTION = "kuberestores"
MAX_OBJECTS = 500
StorageClass = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]


class SelectedObject(ResourceModel):
    """One object. Without a namespace it is one of the whole cluster."""

    kind: Annotated[str, Field(max_length=317, pattern=r"^[A-Za-z][A-Za-z0-9]*(\.[a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$")]
    """As in a manifest, such as `ConfigMap`; with the group where there are two of the kind: `Ingress.networking.k8s.io`."""
    namespace: Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")] = ""
    name: Annotated[str, Field(pattern=r"^[-A-Za-z0-9._:]{1,253}$")]


class RestoreSelection(ResourceModel):
    """Which part of the recovery point."""

    all_namespaces: bool = False
    namespaces: list[str] = Field(default_factory=list)
    label_selector: Labels = Field(default_factory=dict)
    restore_persistent_volumes: bool = Field(default=True, alias="restorePersistentVolumes")
    include_resource_types: list[str] = Field(default_factory=list)
    objects: list[SelectedObject] = Field(default_factory=list, max_length=MAX_OBJECTS)
    """Only these objects, and what they cannot be without. Then nothing else is selected beside."""


class RestoreSettings(ResourceModel):
    """How what is restored looks on its cluster; of restores and migrations."""

    pre_hooks: list[HookReference] = Field(default_factory=list)
    post_hooks: list[HookReference] = Field(default_factory=list)
    namespaces_prefix: str = Field(default="", max_length=40, pattern=r"^([a-z0-9][-a-z0-9]*)?$")
    namespaces_suffix: str = Field(default="", max_length=40, pattern=r"^([-a-z0-9]*[a-z0-9])?$")
    namespaces_map: dict[str, str] = Field(default_factory=dict)
    storage_class_map: dict[str, StorageClass] = Field(default_factory=dict, max_length=100)
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
    prefix, suffix = restore.get("namespaces_prefix") or "", restore.get("namespaces_suffix") or ""
    return renamed(namespaces, given=restore.get("namespaces_map") or {}, prefix=prefix, suffix=suffix)


def chosen_objects(restore: Mapping[str, Any], /) -> list[Mapping[str, Any]]:
    """Return the single objects to restore; empty when the selection is another."""
    return list(restore["selection"].get("objects") or ())


def chosen_namespaces(restore: Mapping[str, Any], /, *, point: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the namespaces to restore; empty means all that the recovery point holds, or objects of the whole cluster."""
    selected = restore["selection"]
    if objects := chosen_objects(restore):
        return tuple(sorted({str(item["namespace"]) for item in objects if item.get("namespace")}))
    if not selected.get("all_namespaces"):
        return tuple(selected.get("namespaces") or ())
    source = point["backup_selection"]
    return () if source.get("all_namespaces") else tuple(source.get("namespaces") or ())


def touched_namespaces(restore: Mapping[str, Any], /, *, point: Mapping[str, Any]) -> list[str]:
    """Return every namespace that a restore reads or writes; empty when that is all, or not known by name.

    Modifiers count as all: they may turn what is restored into anything, also a volume beyond its namespace.
    """
    chosen = chosen_namespaces(restore, point=point)
    if RestoreOptions.of(restore).resource_modifiers:
        return []
    return sorted({*chosen, *namespace_map(restore, namespaces=chosen).values()}) if chosen else []
