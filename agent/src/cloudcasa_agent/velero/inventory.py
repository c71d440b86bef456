"""What the cluster holds: namespaces, claims with their driver, storage classes with the snapshot class Velero would use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from cloudcasa_contract.commands import Inventory, PvcInfo, StorageClassInfo

from cloudcasa_agent.kube import JsonObject, KubeClient
from cloudcasa_agent.kube.resources import (
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    STORAGE_CLASSES,
    VOLUME_SNAPSHOT_CLASSES,
)

from .detect import choose_snapshot_class

_LISTED = (NAMESPACES, NODES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES, VOLUME_SNAPSHOT_CLASSES)
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""As large as the class itself, and known from it."""
_VOLUME_TYPES = (
    "csi",
    "nfs",
    "hostPath",
    "local",
    "iscsi",
    "fc",
    "cephfs",
    "rbd",
    "azureFile",
    "azureDisk",
    "awsElasticBlockStore",
    "gcePersistentDisk",
)
_SUFFIXES: dict[str, int | Decimal] = {
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
    "m": Decimal("0.001"), "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
}  # fmt: skip


async def take_inventory(client: KubeClient) -> Inventory:
    """Return what the cluster holds now."""
    version, (namespaces, nodes, claims, volumes, classes, snapshot_classes) = await asyncio.gather(
        client.version(), asyncio.gather(*(client.list_or_empty(resource) for resource in _LISTED))
    )
    return Inventory(
        taken_at=datetime.now(UTC),
        kubernetes_version=version,
        node_count=len(nodes),
        namespaces=tuple(sorted(item["metadata"]["name"] for item in namespaces)),
        namespace_uids={item["metadata"]["name"]: item["metadata"].get("uid", "") for item in namespaces},
        pvcs=describe_claims(claims, volumes=volumes),
        storage_classes=describe_classes(classes, snapshot_classes=snapshot_classes),
    )


def describe_claims(claims: Iterable[JsonObject], *, volumes: Iterable[JsonObject]) -> tuple[PvcInfo, ...]:
    """Return the claims in order, each with what is known of its volume."""
    known = {item["metadata"]["name"]: item for item in volumes}
    found = (_claim(item, volume=known.get(item["spec"].get("volumeName", ""))) for item in claims)
    return tuple(sorted(found, key=lambda claim: (claim.namespace, claim.name)))


def describe_classes(classes: Iterable[JsonObject], *, snapshot_classes: Iterable[JsonObject]) -> tuple[StorageClassInfo, ...]:
    """Return the storage classes in order."""
    available = tuple(snapshot_classes)
    found = (_class(item, snapshot_class=choose_snapshot_class(item["provisioner"], snapshot_classes=available)) for item in classes)
    return tuple(sorted(found, key=lambda item: item.name))


def _class(item: JsonObject, *, snapshot_class: str) -> StorageClassInfo:
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    return StorageClassInfo(
        name=metadata["name"],
        provisioner=item["provisioner"],
        is_default=annotations.get(_DEFAULT_CLASS) == "true",
        snapshot_class=snapshot_class,
        uid=metadata.get("uid", ""),
        parameters=item.get("parameters") or {},
        reclaim_policy=item.get("reclaimPolicy") or "",
        mount_options=tuple(item.get("mountOptions") or ()),
        allow_volume_expansion=bool(item.get("allowVolumeExpansion")),
        volume_binding_mode=item.get("volumeBindingMode") or "",
        labels=metadata.get("labels") or {},
        annotations={key: value for key, value in annotations.items() if key != _LAST_APPLIED},
        finalizers=tuple(metadata.get("finalizers") or ()),
    )


def parse_quantity(text: str, /) -> int:
    """Return a Kubernetes quantity in its base unit, 0 when it cannot be read."""
    for suffix, factor in _SUFFIXES.items():
        if text.endswith(suffix):
            return _number(text.removesuffix(suffix), factor=factor)
    return _number(text, factor=1)


def _number(text: str, *, factor: int | Decimal) -> int:
    try:
        return int(Decimal(text) * factor)
    except InvalidOperation:
        return 0


def _claim(item: JsonObject, *, volume: JsonObject | None) -> PvcInfo:
    spec, status = item["spec"], item.get("status") or {}
    source = (volume or {}).get("spec") or {}
    labels = ((volume or {}).get("metadata") or {}).get("labels") or {}
    csi = source.get("csi") or {}
    capacity = (status.get("capacity") or {}).get("storage") or ((spec.get("resources") or {}).get("requests") or {}).get("storage", "0")
    return PvcInfo(
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        storage_class=spec.get("storageClassName") or "",
        capacity_bytes=parse_quantity(str(capacity)),
        phase=status.get("phase", ""),
        driver=csi.get("driver") or "",
        uid=item["metadata"].get("uid", ""),
        volume_name=spec.get("volumeName") or "",
        volume_handle=csi.get("volumeHandle") or "",
        volume_mode=spec.get("volumeMode") or "",
        volume_type=next((name for name in _VOLUME_TYPES if name in source), ""),
        zone=labels.get("topology.kubernetes.io/zone", ""),
        region=labels.get("topology.kubernetes.io/region", ""),
    )
