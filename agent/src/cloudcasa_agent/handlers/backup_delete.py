"""backup.delete: ask Velero to delete a backup with its data, and see that nothing of it is left. A backup that is gone already is deleted."""

from __future__ import annotations

import asyncio

from cloudcasa_contract.commands import BackupDelete, DeleteOutput

from cloudcasa_agent.kube import EventKind, JsonObject
from cloudcasa_agent.velero.build import build_delete_request
from cloudcasa_agent.velero.deletion import check_expired, find_or_await_backup, verify_gone
from cloudcasa_agent.velero.drive import Drive, create_or_find, find_by_command
from cloudcasa_agent.velero.errors import DeleteRefusedError, EngineTimeoutError
from cloudcasa_agent.velero.resources import DELETE_REQUESTS
from cloudcasa_agent.velero.storage import ensure_storage

from .context import Context

_DELETE_SECONDS = 1800.0
_NOT_FOUND = "backup not found"


async def run_delete(command: BackupDelete, *, context: Context) -> DeleteOutput:
    """Delete the backup. Raises NotExpiredError, DeleteRefusedError with Velero's reasons, DeleteUnverifiedError."""
    check_expired(command)
    drive = context.drive()
    request = await find_by_command(drive, DELETE_REQUESTS) or await _ask(command, context=context)
    was_missing = request is None
    if request is not None:
        drive.say(phase="Deleting")
        errors = await _wait_processed(request, drive=drive)
        if errors and not all(_NOT_FOUND in error for error in errors):
            await drive.client.delete(DELETE_REQUESTS, name=request["metadata"]["name"], namespace=drive.namespace)
            raise DeleteRefusedError(f'Cannot delete backup "{command.backup_name}": {"; ".join(errors)}.')
        was_missing = bool(errors)
    await verify_gone(drive, command)
    return DeleteOutput(was_missing=was_missing)


async def _ask(command: BackupDelete, *, context: Context) -> JsonObject | None:
    """Return the request to Velero; None when there is no backup any more."""
    drive = context.drive()
    backup = await find_or_await_backup(drive, command)
    if backup is None:
        return None
    async with context.engine.storage_lock:
        await ensure_storage(drive.client, command.storage, namespace=drive.namespace)
    body = build_delete_request(command, command_id=drive.command_id, namespace=drive.namespace, backup_uid=backup["metadata"]["uid"])
    return await create_or_find(drive, DELETE_REQUESTS, body)


async def _wait_processed(request: JsonObject, *, drive: Drive) -> tuple[str, ...]:
    """Return the errors of the request; none when it is processed, or gone as Velero removes it with the backup."""
    name = request["metadata"]["name"]
    is_seen = False
    try:
        async with asyncio.timeout(_DELETE_SECONDS):
            async for event in drive.client.follow(DELETE_REQUESTS, namespace=drive.namespace, name=name):
                if event.kind is EventKind.DELETED or (event.kind is EventKind.SYNCED and not is_seen):
                    return ()
                is_seen = True
                status = event.object.get("status") or {}
                if status.get("phase") == "Processed":
                    return tuple(status.get("errors") or [])
    except TimeoutError:
        pass
    raise EngineTimeoutError(f"The backup was not deleted within {_DELETE_SECONDS / 60:.0f} minutes.")
