"""What a server does about object stores beside its requests: one door for the worker and the gateway."""

from __future__ import annotations

from dataclasses import dataclass

from ..kit.store import Document
from .checks import PROBE, Checks
from .locations import REMOVE, Locations


@dataclass(frozen=True, slots=True)
class StoreTasks:
    """The rollout of changes, and the tries."""

    locations: Locations
    checks: Checks

    async def answered(self, command: Document, /) -> None:
        """Take in what became of a command that has to do with a store."""
        if command["kind"] == PROBE:
            await self.checks.answered(command)
        elif command.get("storage") or command["kind"] == REMOVE:
            await self.locations.answered(command)

    async def sweep(self) -> None:
        """Do what is due."""
        await self.locations.sweep()
        await self.checks.sweep()
