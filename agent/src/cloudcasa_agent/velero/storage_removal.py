"""A store that is no more, forgotten by the cluster: locations, credentials, and what Velero keeps about backups in it.

Nothing in the bucket changes, so nothing goes through a DeleteBackupRequest. The location goes first, or Velero would bring the Backups
back at its next sync; Restores lose their finalizer, since Velero's own way deletes from a bucket that it cannot reach any more.
"""

from __future__ import annotations

import asyncio

from cloudcasa_contract.states import TERMINAL_VELERO_PHASES

from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kube import JsonObject, KubeClient, Resource
from cloudcasa_agent.kube.resources import SECRETS

from .errors import StorageInUseError
from .resources import BACKUP_REPOSITORIES, BACKUPS, RESTORES, STORAGE_LABEL, STORAGE_LOCATIONS, STORE_LABEL, label_value

_log = get_logger("velero")


async def remove_storage(client: KubeClient, objectstore_id: str, *, namespace: str) -> int:
    """Remove everything about a store; return how many locations it had. Raises StorageInUseError while a run uses one."""
    locations = await _of_store(client, STORAGE_LOCATIONS, objectstore_id, namespace=namespace)
    names = [item["metadata"]["name"] for item in locations]
    backups = [item for name in names for item in await _in_location(client, BACKUPS, name, namespace=namespace)]
    restores = await _restores_of(client, backups, namespace=namespace)
    if running := [item["metadata"]["name"] for item in (*backups, *restores) if _is_running(item)]:
        raise StorageInUseError(f'Cannot remove the object store from this cluster: "{running[0]}" is using it.')
    for name in names:
        await client.delete(STORAGE_LOCATIONS, name=name, namespace=namespace)
    for restore in restores:
        name = restore["metadata"]["name"]
        await client.patch(RESTORES, {"metadata": {"finalizers": None}}, name=name, namespace=namespace)
        await client.delete(RESTORES, name=name, namespace=namespace)
    repositories = [item for name in names for item in await _in_location(client, BACKUP_REPOSITORIES, name, namespace=namespace)]
    await _delete_all(client, BACKUPS, backups, namespace=namespace)
    await _delete_all(client, BACKUP_REPOSITORIES, repositories, namespace=namespace)
    await _delete_all(client, SECRETS, await _of_store(client, SECRETS, objectstore_id, namespace=namespace), namespace=namespace)
    _log.info("Object store removed", objectstore=objectstore_id, locations=len(names), backups=len(backups))
    return len(names)


async def _of_store(client: KubeClient, resource: Resource, objectstore_id: str, *, namespace: str) -> list[JsonObject]:
    """Return what we made for the store; older agents did not label it, and named it so."""
    own = await client.list_or_empty(resource, namespace=namespace, label_selector="app.kubernetes.io/managed-by=cloudcasa")
    name = f"cc-{objectstore_id}"
    return [
        item
        for item in own
        if (item["metadata"].get("labels") or {}).get(STORE_LABEL) == objectstore_id
        or item["metadata"]["name"] == name
        or item["metadata"]["name"].startswith(f"{name}-")
    ]


async def _in_location(client: KubeClient, resource: Resource, name: str, *, namespace: str) -> tuple[JsonObject, ...]:
    return await client.list_or_empty(resource, namespace=namespace, label_selector=f"{STORAGE_LABEL}={label_value(name)}")


async def _restores_of(client: KubeClient, backups: list[JsonObject], *, namespace: str) -> list[JsonObject]:
    names = {item["metadata"]["name"] for item in backups}
    restores = await client.list_or_empty(RESTORES, namespace=namespace) if names else ()
    return [item for item in restores if item["spec"].get("backupName") in names]


def _is_running(item: JsonObject) -> bool:
    return (item.get("status") or {}).get("phase") not in TERMINAL_VELERO_PHASES


async def _delete_all(client: KubeClient, resource: Resource, items: list[JsonObject], *, namespace: str) -> None:
    await asyncio.gather(*(client.delete(resource, name=item["metadata"]["name"], namespace=namespace) for item in items))
