"""What a restore from another cluster's prefix has on this cluster for its time, and how it goes: location, Secret, Backups, repositories.

Restores of one prefix share the location, since a Backup has one name and names one location; whoever is the last gives it back. Who still
uses it is known in two ways: this process counts its own restores, and a Restore that has not ended speaks for itself, whichever process
made it. A Backup is never deleted by a DeleteBackupRequest: its data is its owner's. What an agent that was killed left is swept (ADR 0033).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from cloudcasa_contract.commands import StorageTarget
from cloudcasa_contract.states import TERMINAL_VELERO_PHASES

from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kube import JsonObject, KubeClient, NotFoundError
from cloudcasa_agent.kube.resources import CONFIG_MAPS, SECRETS

from .bucket import open_bucket
from .kept import KEPT_FOR, is_old, utc_now
from .resources import (
    BACKUP_REPOSITORIES,
    BACKUPS,
    BORROWED_LABEL,
    KEPT_LABEL,
    RESTORES,
    RULES_LABEL,
    STORAGE_LABEL,
    STORAGE_LOCATIONS,
    label_value,
)

_BORROWED = f"{BORROWED_LABEL}=true"
_FORGOTTEN_AFTER = timedelta(days=1)
"""A Restore that ended so long ago belongs to no command that could still be delivered."""
_log = get_logger("velero")


@contextmanager
def borrowed(borrowers: Counter[str], location: str, /) -> Iterator[None]:
    """Count a restore of this process among those that use a location."""
    borrowers[location] += 1
    try:
        yield
    finally:
        borrowers[location] -= 1


async def drop_restore(client: KubeClient, name: str, /, *, storage: StorageTarget, namespace: str) -> None:
    """Delete an ended Restore and what Velero wrote about it into the owner's prefix; one that goes on stays."""
    restore = await client.find(RESTORES, name=name, namespace=namespace)
    if restore is not None and not is_ended(restore):
        return
    async with open_bucket(storage) as bucket:
        for key in await bucket.keys(f"restores/{name}/"):
            await bucket.delete(key)
    if restore is not None:
        await _delete_restore(client, name, namespace=namespace)


async def _delete_restore(client: KubeClient, name: str, *, namespace: str) -> None:
    """Delete it without waiting for Velero, whose finalizer would do again what is done."""
    await client.delete(RESTORES, name=name, namespace=namespace)
    if await client.find(RESTORES, name=name, namespace=namespace) is not None:
        with suppress(NotFoundError):  # Velero was as fast
            await client.patch(RESTORES, {"metadata": {"finalizers": None}}, name=name, namespace=namespace)


async def give_back(client: KubeClient, location: str, /, *, namespace: str, others: int) -> bool:
    """Remove a borrowed location with all that hangs on it, unless somebody else uses it; tell whether it is gone. Hold the storage lock."""
    backups = await client.list_or_empty(BACKUPS, namespace=namespace, label_selector=_of(location))
    restores = await client.list_or_empty(RESTORES, namespace=namespace)
    if others or users_of(backups, restores=restores):
        return False
    for backup in backups:
        await client.delete(BACKUPS, name=backup["metadata"]["name"], namespace=namespace)
    for repository in await client.list_or_empty(BACKUP_REPOSITORIES, namespace=namespace, label_selector=_of(location)):
        await client.delete(BACKUP_REPOSITORIES, name=repository["metadata"]["name"], namespace=namespace)
    await client.delete(STORAGE_LOCATIONS, name=location, namespace=namespace)
    await client.delete(SECRETS, name=location, namespace=namespace)
    _log.info("Borrowed storage location given back", location=location)
    return True


def users_of(backups: Collection[JsonObject], *, restores: Collection[JsonObject]) -> list[str]:
    """Return the Restores of these backups that have not ended. Pure."""
    names = {backup["metadata"]["name"] for backup in backups}
    return [restore["metadata"]["name"] for restore in restores if _backup_of(restore) in names and not is_ended(restore)]


def is_ended(restore: JsonObject, /) -> bool:
    """Tell whether Velero has done with a Restore."""
    return (restore.get("status") or {}).get("phase") in TERMINAL_VELERO_PHASES


async def sweep(client: KubeClient, *, namespace: str, borrowers: Counter[str]) -> None:
    """Remove what agents that were killed left behind, as soon as no command can ask for it. Hold the storage lock."""
    restores = await client.list_or_empty(RESTORES, namespace=namespace)
    for location in await client.list_or_empty(STORAGE_LOCATIONS, namespace=namespace, label_selector=_BORROWED):
        name = location["metadata"]["name"]
        backups = await client.list_or_empty(BACKUPS, namespace=namespace, label_selector=_of(name))
        held = {backup["metadata"]["name"] for backup in backups}
        own = [restore for restore in restores if _backup_of(restore) in held]
        if borrowers[name] or not all(_is_forgotten(restore) for restore in own):
            continue
        for restore in own:
            await _delete_restore(client, restore["metadata"]["name"], namespace=namespace)
        await give_back(client, name, namespace=namespace, others=borrowers[name])
    await _sweep_config_maps(client, namespace=namespace, is_busy=not all(is_ended(restore) for restore in restores))


async def _sweep_config_maps(client: KubeClient, *, namespace: str, is_busy: bool) -> None:
    ages = {KEPT_LABEL: KEPT_FOR} | ({} if is_busy else {RULES_LABEL: _FORGOTTEN_AFTER})
    for label, age in ages.items():
        for item in await client.list_or_empty(CONFIG_MAPS, namespace=namespace, label_selector=f"{label}=true"):
            if is_old(item, age=age, now=utc_now()):
                await client.delete(CONFIG_MAPS, name=item["metadata"]["name"], namespace=namespace)


def _is_forgotten(restore: JsonObject) -> bool:
    return is_ended(restore) and is_old(restore, age=_FORGOTTEN_AFTER, now=utc_now())


def _backup_of(restore: JsonObject) -> str:
    return str((restore.get("spec") or {}).get("backupName") or "")


def _of(location: str) -> str:
    return f"{STORAGE_LABEL}={label_value(location)}"
