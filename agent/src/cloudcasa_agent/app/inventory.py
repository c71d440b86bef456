"""Reports the inventory unasked: at start, when namespaces or claims change, and every few minutes; only when it differs.

What the server acknowledged is the measure: a report that was not acknowledged is replaced by the newer one.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress

from cloudcasa_contract.commands import Inventory
from cloudcasa_contract.frames import Report

from cloudcasa_agent.channel import Outbox
from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kube import EventKind, KubeClient, Resource
from cloudcasa_agent.kube.resources import NAMESPACES, PERSISTENT_VOLUME_CLAIMS
from cloudcasa_agent.velero.inventory import take_inventory

_DEBOUNCE_SECONDS = 2.0
_RETRY_SECONDS = 15.0
_log = get_logger("inventory")


class InventoryReporter:
    """Keeps the server's picture of the cluster up to date."""

    def __init__(self, client: KubeClient, *, outbox: Outbox, period_seconds: float) -> None:
        """Report through `outbox`."""
        self._client = client
        self._outbox = outbox
        self._period_seconds = period_seconds
        self._changed = asyncio.Event()
        self._acked: Inventory | None = None
        self._waiting: Report | None = None

    def on_ack(self, message_id: str, /) -> None:
        """Learn that the server holds a message."""
        if self._waiting is not None and self._waiting.message_id == message_id:
            self._acked, self._waiting = self._waiting.inventory, None

    async def run(self) -> None:
        """Report for ever."""
        async with asyncio.TaskGroup() as group:
            for resource in (NAMESPACES, PERSISTENT_VOLUME_CLAIMS):
                group.create_task(self._watch(resource), name=f"inventory-{resource.plural}")
            group.create_task(self._report(), name="inventory-report")

    async def _watch(self, resource: Resource) -> None:
        while True:
            with suppress(AgentError):
                async for event in self._client.follow(resource):
                    if event.kind is not EventKind.SYNCED:
                        self._changed.set()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _report(self) -> None:
        while True:
            self._changed.clear()
            try:
                self._offer(await take_inventory(self._client))
            except AgentError as error:
                _log.warning("Inventory could not be taken", reason=error.text)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period_seconds):
                    await self._changed.wait()
            await asyncio.sleep(_DEBOUNCE_SECONDS)

    def _offer(self, inventory: Inventory) -> None:
        told = self._waiting.inventory if self._waiting else self._acked
        if told is not None and told.model_copy(update={"taken_at": inventory.taken_at}) == inventory:
            return
        if self._waiting is not None:
            self._outbox.drop_message(self._waiting.message_id)
        self._waiting = Report(message_id=uuid.uuid4().hex, inventory=inventory)
        self._outbox.put_message(self._waiting)
