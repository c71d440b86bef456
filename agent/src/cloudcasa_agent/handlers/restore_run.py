"""restore.run: make the Restore, or find it, see it through, and check that the data of every volume came back."""

from __future__ import annotations

import asyncio
import json

from cloudcasa_contract.commands import RestoreOutput, RestoreRun, VolumeResult
from cloudcasa_contract.velero import read_volumes

from cloudcasa_agent.kit.timeout import Timeout
from cloudcasa_agent.kube import JsonObject
from cloudcasa_agent.velero.artifacts import BACKUP_KINDS, RESTORE_KINDS, Source, download, read_artifacts
from cloudcasa_agent.velero.build import build_restore
from cloudcasa_agent.velero.discovery import ensure_kinds_known
from cloudcasa_agent.velero.drive import Drive, create_or_find, find_by_command, watch_run
from cloudcasa_agent.velero.errors import BackupNotFoundError
from cloudcasa_agent.velero.hook_read import read_restore_hooks
from cloudcasa_agent.velero.hook_restore import with_names
from cloudcasa_agent.velero.hurry_restore import hurry_restore
from cloudcasa_agent.velero.outcome import expected_volumes, restore_output
from cloudcasa_agent.velero.resources import BACKUPS, DATA_DOWNLOADS, RESTORE_NAME_LABEL, RESTORES, label_value
from cloudcasa_agent.velero.storage import ensure_storage

from .context import Context

_SYNC_SECONDS = 120.0


async def run_restore(command: RestoreRun, *, context: Context) -> RestoreOutput:
    """Return the end of the restore, in whatever phase Velero ended it."""
    drive = context.drive()
    restore = await find_by_command(drive, RESTORES) or await _create(command, context=context)
    selector = f"{RESTORE_NAME_LABEL}={label_value(command.restore_name)}"
    watched = await watch_run(
        drive, RESTORES, restore, movements=DATA_DOWNLOADS, selector=selector, beside=hurry_restore(drive, selector=selector)
    )
    source = Source(name=command.restore_name, storage=command.storage, namespace=drive.namespace, command_id=drive.command_id)
    read, backed_up = await asyncio.gather(
        read_artifacts(drive.client, source, kinds=RESTORE_KINDS, phase=watched.phase), _backed_up_volumes(command, drive=drive)
    )
    artifacts = read.artifacts.model_copy(update={"errors": with_names(read.artifacts.errors, command.hooks)})
    if backed_up is None:
        text = "BackupVolumeInfos: not readable, so it was not checked that every volume came back."
        artifacts = artifacts.model_copy(update={"missing": (*artifacts.missing, text)})
    output = restore_output(watched, artifacts=artifacts, expected=expected_volumes(backed_up or (), command=command))
    return output.model_copy(update={"hooks": await read_restore_hooks(drive, command, watched=watched)})


async def _create(command: RestoreRun, *, context: Context) -> JsonObject:
    drive = context.drive()
    async with context.engine.storage_lock:
        await ensure_storage(drive.client, command.storage, namespace=drive.namespace)
    await _wait_backup(command, drive=drive)
    body = build_restore(command, command_id=drive.command_id, namespace=drive.namespace)
    async with context.engine.start_lock:
        await ensure_kinds_known(drive)
        return await create_or_find(drive, RESTORES, body)


async def _wait_backup(command: RestoreRun, *, drive: Drive) -> None:
    """Wait until the Backup is known here: one of another cluster, or of a lost one, appears with Velero's sync, once a minute."""
    budget = Timeout(_SYNC_SECONDS)
    while await drive.client.find(BACKUPS, name=command.backup_name, namespace=drive.namespace) is None:
        if budget.is_over:
            text = f'Cannot restore: backup "{command.backup_name}" is not in object store "{command.storage.name}".'
            raise BackupNotFoundError(text)
        drive.say(phase="WaitingForBackup", activity="Waiting for the backup to be read from the object store.")
        await asyncio.sleep(1.0)


async def _backed_up_volumes(command: RestoreRun, *, drive: Drive) -> tuple[VolumeResult, ...] | None:
    """Return the volumes of the backup, None when they cannot be read."""
    source = Source(name=command.backup_name, storage=command.storage, namespace=drive.namespace, command_id=drive.command_id)
    raw, _ = await download(drive.client, source, kinds=(BACKUP_KINDS.volumes,))
    try:
        return read_volumes(json.loads(raw[BACKUP_KINDS.volumes]))
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
