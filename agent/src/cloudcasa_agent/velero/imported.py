"""Makes a Backup that lies in a bucket known to Velero here: the one that a restore needs, at once.

Velero's own sync would do it within a minute, and would bring every backup of the prefix into this cluster's etcd with it (ADR 0033). What is
taken away and changed is what the sync takes away and changes; hooks above all, which another cluster's users wrote.
Source: velero v1.18.3, pkg/controller/backup_sync_controller.go.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from cloudcasa_contract.commands import COMMAND_LABEL, StorageTarget
from cloudcasa_contract.states import VeleroPhase
from cloudcasa_contract.velero import unpack

from cloudcasa_agent.kube import AlreadyExistsError, JsonObject, KubeClient

from .bucket import Bucket, artifact_key, open_bucket
from .errors import BackupNotFoundError, BucketError, StorageUnreachableError
from .resources import BACKUP_UID_LABEL, BACKUPS, BORROWED_LABEL, POD_VOLUME_BACKUPS, STORAGE_LABEL, label_value, location_name

_RESTORABLE = {VeleroPhase.COMPLETED, VeleroPhase.PARTIALLY_FAILED}
_KEPT_METADATA = ("name", "annotations", "labels")


@dataclass(frozen=True)
class Stored:
    """A Backup as it lies in the bucket, with the file copies of pods' volumes that belong to it."""

    backup: JsonObject
    pod_volumes: tuple[JsonObject, ...] = field(default=())


async def is_known(client: KubeClient, storage: StorageTarget, *, name: str, namespace: str) -> bool:
    """Tell whether Velero knows the backup as one of this location."""
    backup = await client.find(BACKUPS, name=name, namespace=namespace)
    return backup is not None and (backup.get("spec") or {}).get("storageLocation") == location_name(storage)


async def read_stored(storage: StorageTarget, *, name: str) -> Stored:
    """Return the backup from the bucket. Raises StorageUnreachableError, and BackupNotFoundError also for one that never ended."""
    try:
        async with open_bucket(storage) as bucket:
            backup = json.loads(await bucket.get(artifact_key("Backup", name=name)))
            stored = Stored(backup, await _pod_volumes(bucket, name=name))
    except BucketError as error:
        if error.is_missing:
            raise BackupNotFoundError(f'Cannot restore: backup "{name}" is not in object store "{storage.name}".') from error
        text = f'Cannot read from object store "{storage.name}" (bucket "{storage.bucket}" at {storage.endpoint}): {error.text}'
        raise StorageUnreachableError(text) from error
    except ValueError as error:
        raise BackupNotFoundError(f'Cannot restore: what object store "{storage.name}" holds of backup "{name}" is broken.') from error
    phase = (backup.get("status") or {}).get("phase", "")
    if phase not in _RESTORABLE:
        raise BackupNotFoundError(f'Cannot restore: backup "{name}" in object store "{storage.name}" did not end, it is "{phase}".')
    return stored


async def _pod_volumes(bucket: Bucket, *, name: str) -> tuple[JsonObject, ...]:
    try:
        packed = await bucket.get(artifact_key("PodVolumeBackups", name=name))
    except BucketError as error:
        if error.is_missing:
            return ()
        raise
    items: list[JsonObject] = json.loads(unpack(packed)) or []
    return tuple(items)


async def make_known(client: KubeClient, stored: Stored, *, storage: StorageTarget, namespace: str) -> None:
    """Create the Backup in this cluster; one of the name that belongs to another location gives way, since only its bucket tells of it."""
    body = build_known(stored.backup, storage=storage, namespace=namespace)
    name = body["metadata"]["name"]
    if not await is_known(client, storage, name=name, namespace=namespace):
        await client.delete(BACKUPS, name=name, namespace=namespace)
    try:
        backup = await client.create(BACKUPS, body)
    except AlreadyExistsError:
        backup = await client.get(BACKUPS, name=name, namespace=namespace)
    for item in stored.pod_volumes:
        try:
            await client.create(POD_VOLUME_BACKUPS, build_pod_volume(item, backup=backup, storage=storage))
        except AlreadyExistsError:
            continue


def build_known(backup: JsonObject, *, storage: StorageTarget, namespace: str) -> JsonObject:
    """Return the Backup to create. Pure."""
    metadata = {key: value for key, value in backup["metadata"].items() if key in _KEPT_METADATA}
    labels = {**(metadata.get("labels") or {}), STORAGE_LABEL: label_value(location_name(storage))}
    if storage.read_only:
        labels = {key: value for key, value in labels.items() if key != COMMAND_LABEL} | {BORROWED_LABEL: "true"}
    spec = {key: value for key, value in backup["spec"].items() if key != "hooks"} | {"storageLocation": location_name(storage)}
    return {
        "apiVersion": BACKUPS.api_version,
        "kind": BACKUPS.kind,
        "metadata": metadata | {"namespace": namespace, "labels": labels},
        "spec": spec,
        "status": backup["status"],
    }


def build_pod_volume(item: JsonObject, *, backup: JsonObject, storage: StorageTarget) -> JsonObject:
    """Return the PodVolumeBackup to create, which goes with its Backup. Pure."""
    metadata: dict[str, Any] = {key: value for key, value in item["metadata"].items() if key in _KEPT_METADATA}
    uid = backup["metadata"]["uid"]
    owner = {"apiVersion": BACKUPS.api_version, "kind": BACKUPS.kind, "name": backup["metadata"]["name"], "uid": uid, "controller": True}
    labels = {**(metadata.get("labels") or {}), BACKUP_UID_LABEL: uid}
    return {
        "apiVersion": POD_VOLUME_BACKUPS.api_version,
        "kind": POD_VOLUME_BACKUPS.kind,
        "metadata": metadata | {"namespace": backup["metadata"]["namespace"], "labels": labels, "ownerReferences": [owner]},
        "spec": item["spec"] | {"backupStorageLocation": location_name(storage)},
        "status": item.get("status") or {},
    }
