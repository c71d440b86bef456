"""The BackupStorageLocation of a store: made, kept up to date, and known to answer before a backup is started on it.

An unchanged location that is Available costs two reads. A changed one is checked again at once: with `lastValidationTime` taken away,
Velero validates it at the next tick, or immediately when the spec changed. Source: velero v1.18.3 backup_storage_location_controller.go.
"""

from __future__ import annotations

import asyncio

from cloudcasa_contract.commands import StorageTarget

from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kube import EventKind, JsonObject, KubeClient
from cloudcasa_agent.kube.resources import SECRETS

from .build import build_storage_location, build_storage_secret
from .errors import StorageUnreachableError
from .resources import STORAGE_LOCATIONS

_VALIDATION_SECONDS = 45.0
_log = get_logger("velero")


async def ensure_storage(client: KubeClient, target: StorageTarget, *, namespace: str) -> None:
    """Make the store usable for Velero, or raise StorageUnreachableError with Velero's own message."""
    secret, location = build_storage_secret(target, namespace=namespace), build_storage_location(target, namespace=namespace)
    name = location["metadata"]["name"]
    have_secret, have = await asyncio.gather(
        client.find(SECRETS, name=name, namespace=namespace), client.find(STORAGE_LOCATIONS, name=name, namespace=namespace)
    )
    is_same_secret = have_secret is not None and have_secret.get("data") == secret["data"]
    is_same = have is not None and is_unchanged(have["spec"], want=location["spec"])
    if is_same and is_same_secret and _phase(have or {}) == "Available":
        return
    if not is_same_secret:
        await client.apply(SECRETS, secret)
    if have is not None:
        unchecked = {"status": {"phase": None, "lastValidationTime": None, "message": None}}
        await client.patch(STORAGE_LOCATIONS, unchecked, name=name, namespace=namespace)
    if not is_same:
        await client.apply(STORAGE_LOCATIONS, location)
    _log.info("Storage location applied", location=name, is_new=have is None)
    await _wait_available(client, target, name=name, namespace=namespace)


def is_unchanged(have: JsonObject, *, want: JsonObject) -> bool:
    """Tell whether everything that we set is set so; what Velero adds by itself does not count."""
    return all(have.get(key) == value for key, value in want.items())


async def _wait_available(client: KubeClient, target: StorageTarget, *, name: str, namespace: str) -> None:
    message = "Velero has not checked it."
    try:
        async with asyncio.timeout(_VALIDATION_SECONDS):
            async for event in client.follow(STORAGE_LOCATIONS, namespace=namespace, name=name):
                if event.kind is not EventKind.CHANGED or not (event.object.get("status") or {}).get("lastValidationTime"):
                    continue
                if _phase(event.object) == "Available":
                    return
                message = event.object["status"].get("message", "") or "Velero gave no reason."
                break
    except TimeoutError:
        pass
    text = f'Cannot use object store "{target.name}" (bucket "{target.bucket}" at {target.endpoint}): {message}'
    raise StorageUnreachableError(text)


def _phase(location: JsonObject) -> str:
    return str((location.get("status") or {}).get("phase", ""))
