"""The inventory's documents and the difference between two inventories. Pure. Source: rest-api.md 2.12."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from cloudcasa_contract.commands import Inventory

from ..kit.store import Document, Index

COLLECTION = "inventories"
"""The last inventory of each cluster, whole; its _id is the cluster's."""
NAMESPACES = "kubenamespaces"
CLAIMS = "kubepvclaims"
STORAGE_CLASSES = "kubestorageclasses"
Row = dict[str, Any]
_KEYS = ("namespace_name", "name")


class Claim(NamedTuple):
    """A persistent volume claim, by name."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to change in one collection for one cluster."""

    insert: tuple[Row, ...]
    change: Mapping[str, Row]
    delete: tuple[str, ...]


def rows(inventory: Inventory, /, *, cluster_id: str) -> dict[str, list[Row]]:
    """Return the documents' fields by collection."""
    mine = {"cluster_id": cluster_id}
    snapshot_classes = {each.provisioner: each.snapshot_class for each in inventory.storage_classes}
    return {
        NAMESPACES: [mine | {"name": name, "k8s_uid": inventory.namespace_uids.get(name, "")} for name in inventory.namespaces],
        CLAIMS: [
            mine
            | {
                "name": pvc.name,
                "namespace_name": pvc.namespace,
                "storage_class_name": pvc.storage_class,
                "allocated_size": pvc.capacity_bytes,
                "phase": pvc.phase,
                "driver": pvc.driver,
                "volume_snapshot_class_name": snapshot_classes.get(pvc.driver, "") if pvc.driver else "",
                "k8s_uid": pvc.uid,
                "pv_name": pvc.volume_name,
                "volume_handle": pvc.volume_handle,
                "volume_mode": pvc.volume_mode,
                "volume_type": pvc.volume_type,
                "zone_name": pvc.zone,
                "region_name": pvc.region,
            }
            for pvc in inventory.pvcs
        ],
        STORAGE_CLASSES: [
            mine
            | {
                "name": each.name,
                "provisioner": each.provisioner,
                "is_default": each.is_default,
                "volume_snapshot_class_name": each.snapshot_class,
                "k8s_uid": each.uid,
                "parameters": each.parameters,
                "reclaim_policy": each.reclaim_policy,
                "mount_options": list(each.mount_options),
                "allow_volume_expansion": each.allow_volume_expansion,
                "volume_binding_mode": each.volume_binding_mode,
                "labels": each.labels,
                "annotations": each.annotations,
                "finalizers": list(each.finalizers),
            }
            for each in inventory.storage_classes
        ],
    }


def diff(have: Iterable[Document], want: Iterable[Row], /) -> Plan:
    """Return how to get from the stored documents to the wanted rows."""
    stored = {_key(document): document for document in have}
    wanted = {_key(row): row for row in want}
    changed = {
        str(stored[key]["_id"]): row
        for key, row in wanted.items()
        if key in stored and any(stored[key].get(name) != value for name, value in row.items())
    }
    return Plan(
        insert=tuple(row for key, row in wanted.items() if key not in stored),
        change=changed,
        delete=tuple(str(document["_id"]) for key, document in stored.items() if key not in wanted),
    )


def stable_id(collection: str, row: Mapping[str, Any], /) -> str:
    """Return the id of what a cluster has under this name: the same when it is lost and comes back, so that grants that name it go on."""
    named = "/".join((collection, str(row["cluster_id"]), *(str(part) for part in _key(row))))
    return sha256(named.encode()).hexdigest()[:24]


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(key) for key in _KEYS)


CLUSTER_INDEX = Index("cluster", (("cluster_id", 1), ("name", 1)))
