"""storage.remove: forget a store."""

from __future__ import annotations

from cloudcasa_contract.commands import StorageRemove, StorageRemoved

from cloudcasa_agent.velero.storage_removal import remove_storage

from .context import Context


async def run_storage_remove(command: StorageRemove, *, context: Context) -> StorageRemoved:
    """Return how many locations there were; none is fine."""
    engine = context.engine
    async with engine.storage_lock:
        count = await remove_storage(engine.client, command.objectstore_id, namespace=engine.namespace)
    return StorageRemoved(locations=count)
