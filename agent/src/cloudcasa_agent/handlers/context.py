"""What a handler is given beside its command."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

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


async def _none_runs(_: CommandId) -> None:
    """Stop nothing: there is no other command."""


@dataclass(frozen=True)
class Context:
    """One command's way to the cluster and back to the server."""

    engine: Engine
    command_id: CommandId
    tell: Callable[[Progress], None]
    stop: Callable[[CommandId], Awaitable[None]] = _none_runs
    """Give up another command if it is worked on here; returns when nothing of it goes on any more."""
    may_start: bool = True
    """The command may make its run; False: only see one through that was made before."""

    def drive(self) -> Drive:
        """Return what the velero room needs of it."""
        engine = self.engine
        return Drive(client=engine.client, namespace=engine.namespace, command_id=self.command_id, tell=self.tell, may_start=self.may_start)

    def instead_of(self, command_id: CommandId) -> Context:
        """Return the way of another command that is taken over: what it made is seen through, and nothing is begun."""
        return replace(self, command_id=command_id, may_start=False)
