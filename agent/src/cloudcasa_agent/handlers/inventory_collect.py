"""inventory.collect: take the inventory now."""

from __future__ import annotations

from cloudcasa_contract.commands import Inventory

from cloudcasa_agent.velero.inventory import take_inventory

from .context import Context


async def run_inventory(*, context: Context) -> Inventory:
    """Return what the cluster holds now."""
    return await take_inventory(context.engine.client)
