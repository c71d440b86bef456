"""Which handler a command belongs to: a match that mypy checks to be complete."""

from __future__ import annotations

from typing import assert_never

from cloudcasa_contract.commands import (
    BackupDelete,
    BackupRun,
    Command,
    EngineEnsure,
    InventoryCollect,
    Output,
    PreflightRun,
    RestoreRun,
    RunCancel,
    StorageEnsure,
    StorageProbe,
    StorageRead,
    StorageRemove,
)

from .backup_delete import run_delete
from .backup_run import run_backup
from .context import Context
from .engine_ensure import run_engine_ensure
from .inventory_collect import run_inventory
from .preflight_run import run_preflight
from .restore_run import run_restore
from .run_cancel import run_cancel
from .storage_ensure import run_storage_ensure
from .storage_probe import run_storage_probe
from .storage_read import run_storage_read
from .storage_remove import run_storage_remove


async def handle(command: Command, context: Context) -> Output:
    """Carry out a command and return its output. Raises AgentError for expected trouble."""
    match command:
        case EngineEnsure():
            return await run_engine_ensure(command, context=context)
        case BackupRun():
            return await run_backup(command, context=context)
        case RestoreRun():
            return await run_restore(command, context=context)
        case RunCancel():
            return await run_cancel(command, context=context)
        case BackupDelete():
            return await run_delete(command, context=context)
        case InventoryCollect():
            return await run_inventory(context=context)
        case StorageEnsure():
            return await run_storage_ensure(command, context=context)
        case StorageProbe():
            return await run_storage_probe(command)
        case StorageRead():
            return await run_storage_read(command)
        case StorageRemove():
            return await run_storage_remove(command, context=context)
        case PreflightRun():
            return await run_preflight(command, context=context)
        case _:
            assert_never(command)
