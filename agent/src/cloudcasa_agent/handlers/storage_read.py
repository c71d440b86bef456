"""storage.read: list and read small objects of a store for a server that does not reach it."""

from __future__ import annotations

from cloudcasa_contract.commands import StorageRead, StorageReading

from cloudcasa_agent.velero.storage_reading import read_storage


async def run_storage_read(command: StorageRead) -> StorageReading:
    """Return what could be read, and why the rest could not."""
    return await read_storage(command)
