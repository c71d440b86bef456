"""The storage classes that a restore maps to must be there: Velero would make the claims all the same, and wait for volumes that never come."""

from __future__ import annotations

from collections.abc import Iterable

from cloudcasa_agent.kube import KubeClient
from cloudcasa_agent.kube.resources import STORAGE_CLASSES

from .errors import StorageClassMissingError


async def require_classes(client: KubeClient, names: Iterable[str]) -> None:
    """Refuse a restore that maps to a storage class that does not exist. Raises StorageClassMissingError."""
    wanted = set(names)
    if not wanted:
        return
    there = {item["metadata"]["name"] for item in (await client.list(STORAGE_CLASSES)).items}
    if missing := sorted(wanted - there):
        listed = ", ".join(f'"{name}"' for name in missing)
        raise StorageClassMissingError(f"Cannot restore: the cluster has no storage class {listed}.")
