"""backup.run: make the Backup, or find the one that an earlier process made for this command, and see it through."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from cloudcasa_contract.commands import BackupOutput, BackupRun

from cloudcasa_agent.kube import JsonObject
from cloudcasa_agent.kube.resources import NAMESPACES
from cloudcasa_agent.velero.artifacts import BACKUP_KINDS, Source, read_artifacts
from cloudcasa_agent.velero.build import build_backup, is_pattern
from cloudcasa_agent.velero.completeness import find_left_out
from cloudcasa_agent.velero.discovery import ensure_kinds_known
from cloudcasa_agent.velero.drive import Drive, create_or_find, find_by_command, watch_run
from cloudcasa_agent.velero.errors import NamespaceNotFoundError
from cloudcasa_agent.velero.hook_read import read_backup_hooks
from cloudcasa_agent.velero.hook_restore import with_names
from cloudcasa_agent.velero.hurry_backup import hurry_backup
from cloudcasa_agent.velero.outcome import backup_output
from cloudcasa_agent.velero.resources import BACKUP_NAME_LABEL, BACKUPS, DATA_UPLOADS, label_value
from cloudcasa_agent.velero.storage import ensure_storage

from .context import Context


async def run_backup(command: BackupRun, *, context: Context) -> BackupOutput:
    """Return the end of the backup, in whatever phase Velero ended it."""
    drive = context.drive()
    backup = await find_by_command(drive, BACKUPS) or await _create(command, context=context)
    selector = f"{BACKUP_NAME_LABEL}={label_value(command.backup_name)}"
    watched = await watch_run(
        drive, BACKUPS, backup, movements=DATA_UPLOADS, selector=selector, beside=hurry_backup(drive, selector=selector)
    )
    source = Source(name=command.backup_name, storage=command.storage, namespace=drive.namespace, command_id=drive.command_id)
    read = await read_artifacts(drive.client, source, kinds=BACKUP_KINDS, phase=watched.phase)
    left_out, unchecked = await find_left_out(drive.client, watched.run, looked_at=read.looked_at)
    hooks = await read_backup_hooks(drive, command.hooks, watched=watched, read=read)
    errors = with_names(read.artifacts.errors, command.hooks)
    artifacts = read.artifacts.model_copy(update={"warnings": read.artifacts.warnings + unchecked, "errors": errors})
    output = backup_output(watched, artifacts=artifacts, unknown_namespaces=_absent(command, backup=watched.run), left_out=left_out)
    return output.model_copy(update={"hooks": hooks})


async def _create(command: BackupRun, *, context: Context) -> JsonObject:
    drive = context.drive()
    command = without_foreign(command, namespaces=context.engine.foreign_namespaces)
    existing = await _existing_namespaces(command, drive=drive)
    async with context.engine.storage_lock:
        storage = await ensure_storage(drive.client, command.storage, namespace=drive.namespace)
    drive.say_repaired(storage.repaired)
    body = build_backup(command, command_id=drive.command_id, namespace=drive.namespace, existing_namespaces=existing)
    async with context.engine.start_lock:
        await ensure_kinds_known(drive)
        return await create_or_find(drive, BACKUPS, body)


def without_foreign(command: BackupRun, *, namespaces: Collection[str]) -> BackupRun:
    """Return the command so that it leaves out the namespaces of another Velero, which hold its password and its own bookkeeping."""
    if not namespaces:
        return command
    excluded = (*command.selection.excluded_namespaces, *sorted(set(namespaces) - set(command.selection.excluded_namespaces)))
    return command.model_copy(update={"selection": command.selection.model_copy(update={"excluded_namespaces": excluded})})


async def _existing_namespaces(command: BackupRun, *, drive: Drive) -> set[str]:
    """Return those of the named namespaces that exist. Raises NamespaceNotFoundError when nothing is left: to Velero, none means all."""
    selection = command.selection
    if selection.all_namespaces or not selection.namespaces:
        return set()
    if set(selection.namespaces) <= {drive.namespace, *selection.excluded_namespaces}:
        names = ", ".join(f'"{name}"' for name in selection.namespaces)
        raise NamespaceNotFoundError(f"Cannot back up: every namespace that is named is also excluded: {names}.")
    named = [name for name in selection.namespaces if not is_pattern(name)]
    found = await asyncio.gather(*(drive.client.find(NAMESPACES, name=name) for name in named))
    existing = {name for name, item in zip(named, found, strict=True) if item is not None}
    if not existing - {drive.namespace, *selection.excluded_namespaces} and len(named) == len(selection.namespaces):
        names = ", ".join(f'"{name}"' for name in named)
        raise NamespaceNotFoundError(f"Cannot back up: no such namespace: {names}.")
    return existing


def _absent(command: BackupRun, *, backup: JsonObject) -> set[str]:
    """Return the named namespaces that the Backup does not take, also for one that an earlier process created."""
    included = set(backup["spec"].get("includedNamespaces") or [])
    excluded = set(backup["spec"].get("excludedNamespaces") or [])
    return set(command.selection.namespaces) - included - excluded if included else set()
