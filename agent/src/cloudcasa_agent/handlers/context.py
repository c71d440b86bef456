"""What a handler is given beside its command."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from cloudcasa_contract.base import CommandId
from cloudcasa_contract.commands import Problem
from cloudcasa_contract.frames import Progress

from cloudcasa_agent.kube import KubeClient
from cloudcasa_agent.velero.drive import Drive


@dataclass
class Engine:
    """The cluster's API and what this process knows about the engine there; one for the process."""

    client: KubeClient
    namespace: str
    problem: Problem | None = None
    """What keeps the engine from working now; told with each heartbeat."""
    is_installed: bool = False
    """This process has seen the engine work; from then on its absence is a problem."""
    foreign_namespaces: frozenset[str] = frozenset()
    """Those of another Velero, which are kept out of our backups: they hold its password."""
    storage_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Two commands on one store must not both apply its location."""
    borrowers: Counter[str] = field(default_factory=Counter)
    """Restores of this process by the location of another cluster's prefix that they read."""
    install_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    start_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Between finding Velero's knowledge fresh and creating a run, no other command may restart Velero."""


@dataclass(frozen=True)
class Context:
    """One command's way to the cluster and back to the server."""

    engine: Engine
    command_id: CommandId
    tell: Callable[[Progress], None]

    def drive(self) -> Drive:
        """Return what the velero room needs of it."""
        return Drive(client=self.engine.client, namespace=self.engine.namespace, command_id=self.command_id, tell=self.tell)
