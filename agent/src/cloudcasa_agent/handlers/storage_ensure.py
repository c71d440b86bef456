"""storage.ensure: bring a store's location up to date while nothing else needs it, so that new keys are there before the next run."""

from __future__ import annotations

from cloudcasa_contract.commands import StorageEnsure, StorageEnsured

from cloudcasa_agent.velero.storage import ensure_storage

from .context import Context


async def run_storage_ensure(command: StorageEnsure, *, context: Context) -> StorageEnsured:
    """Return what the location is now."""
    engine = context.engine
    async with engine.storage_lock:
        done = await ensure_storage(engine.client, command.storage, namespace=engine.namespace)
    return StorageEnsured(revision=done.revision, repaired=done.repaired)
