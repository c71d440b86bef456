"""storage.probe: try a store out for a server that does not reach it."""

from __future__ import annotations

from cloudcasa_contract.commands import StorageProbe, StorageProbed

from cloudcasa_agent.velero.storage_probe import probe_storage


async def run_storage_probe(command: StorageProbe) -> StorageProbed:
    """Return when the store can be used."""
    await probe_storage(command.storage)
    return StorageProbed()
