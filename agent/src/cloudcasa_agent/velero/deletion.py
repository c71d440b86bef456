"""Whether a backup is really gone: what of it is left in the bucket and in the cluster. Velero's word alone is not taken for it.

A Backup that somebody deleted with kubectl leaves its data in the bucket, and Velero makes the Backup anew from it (its sync, every
minute): what is to be deleted is waited for. A snapshot is gone when the storage driver has let go of its VolumeSnapshotContent, which
Velero deletes without waiting. Source: velero v1.18.3 backup_deletion_controller.go, internal/delete/actions/csi.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from cloudcasa_contract.commands import BackupDelete

from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.kube import JsonObject
from cloudcasa_agent.kube.resources import VOLUME_SNAPSHOT_CONTENTS

from .bucket import open_bucket
from .drive import Drive
from .errors import DeleteUnverifiedError, NotExpiredError
from .resources import BACKUP_NAME_LABEL, BACKUPS, label_value

SYNC_SECONDS = 180.0
"""How long Velero gets to find a backup in the bucket: three of its syncs."""
SNAPSHOT_SECONDS = 120.0
_POLL_SECONDS = 2.0
_BUCKET_SECONDS = 20.0
T = TypeVar("T")


def check_expired(command: BackupDelete, *, now: datetime | None = None) -> None:
    """Raise NotExpiredError while by this cluster's clock the backup must be kept: a server whose clock is ahead deletes nothing."""
    if command.not_before is not None and (now or datetime.now(UTC)) < command.not_before:
        text = f'The backup "{command.backup_name}" is kept until {command.not_before:%Y-%m-%d %H:%M} UTC, which is not over by this cluster\'s clock.'
        raise NotExpiredError(text)


async def find_or_await_backup(drive: Drive, command: BackupDelete) -> JsonObject | None:
    """Return the Backup, also one that Velero has yet to find in the bucket; None when the bucket holds nothing of it either."""

    async def look() -> JsonObject | None:
        return await drive.client.find(BACKUPS, name=command.backup_name, namespace=drive.namespace)

    if (backup := await look()) is not None or not await is_in_bucket(command):
        return backup
    drive.say(phase="Deleting", activity="Waiting for Velero to find the backup in the object store.")
    if (backup := await _until(look, seconds=SYNC_SECONDS)) is None:
        text = (
            f'Cannot delete backup "{command.backup_name}": its files are in the object store, but Velero does not find the backup there.'
        )
        raise DeleteUnverifiedError(text)
    return backup


async def verify_gone(drive: Drive, command: BackupDelete) -> None:
    """Return when nothing of the backup is left. Raises DeleteUnverifiedError."""
    if await is_in_bucket(command):
        text = f'Velero says that backup "{command.backup_name}" is deleted, but the object store still holds files of it.'
        raise DeleteUnverifiedError(text)
    selector = f"{BACKUP_NAME_LABEL}={label_value(command.backup_name)}"

    async def is_let_go() -> bool:
        return not await drive.client.list_or_empty(VOLUME_SNAPSHOT_CONTENTS, label_selector=selector)

    if not await _until(is_let_go, seconds=SNAPSHOT_SECONDS):
        text = f'The files of backup "{command.backup_name}" are deleted, but the storage driver has not deleted its snapshots.'
        raise DeleteUnverifiedError(text)


async def is_in_bucket(command: BackupDelete, /) -> bool:
    """Tell whether the bucket holds files of the backup. Raises DeleteUnverifiedError when it cannot be asked."""
    try:
        async with open_bucket(command.storage, seconds=_BUCKET_SECONDS) as bucket:
            return bool(await bucket.keys(f"backups/{command.backup_name}/", limit=1))
    except AgentError as error:
        text = f'Whether files of backup "{command.backup_name}" are left could not be seen: {error.text}'
        raise DeleteUnverifiedError(text) from error


async def _until(look: Callable[[], Awaitable[T]], *, seconds: float) -> T:
    """Return the first true answer, or the last one when the time is over."""
    answer = await look()
    try:
        async with asyncio.timeout(seconds):
            while not answer:
                await asyncio.sleep(_POLL_SECONDS)
                answer = await look()
    except TimeoutError:
        pass
    return answer
