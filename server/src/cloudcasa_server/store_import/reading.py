"""How an import reads a store: by itself where the server reaches it, else through the agent of the store's proxy cluster, step by step."""

from __future__ import annotations

from dataclasses import dataclass

from cloudcasa_contract.commands import StorageReading
from cloudcasa_contract.states import JobState

from ..command.model import CommandState, Order, StorageRef
from ..command.service import Outbox
from ..job.clues import clue
from ..job.model import Finish, step_key
from ..job.outcome import failure
from ..kit.store import Document
from ..object_store.probe import ProbeError
from ..object_store.providers import provider_of
from ..object_store.reading import Ask, read
from ..object_store.service import ObjectStores


class StoreSilentError(Exception):
    """The store did not answer, or refused. `end` is how the job ends when it goes on so."""

    def __init__(self, end: Finish) -> None:
        """Keep the end."""
        super().__init__(end.message)
        self.end = end


@dataclass(frozen=True, slots=True)
class Readings:
    """The stores, as imports read them."""

    stores: ObjectStores
    outbox: Outbox

    async def read(self, ask: Ask, /, *, job: Document, store: Document, part: str) -> StorageReading | None:
        """Return what was asked for, None while an agent is at it. `part` names the question among those of a job. Raises StoreSilentError."""
        if store.get("private"):
            return await self._by_agent(ask, job=job, store=store, part=part)
        try:
            return await read(provider_of(store).target(store, self.stores.credentials(store)), ask)
        except ProbeError as error:
            raise StoreSilentError(Finish(JobState.FAILED, error.text, reason=clue([error.text], otherwise="store_unreachable"))) from error

    async def _by_agent(self, ask: Ask, *, job: Document, store: Document, part: str) -> StorageReading | None:
        """Enqueue the question once, and return its answer when there is one."""
        key = step_key(job, part)
        command = await self.outbox.find_by_key(key)
        if command is None:
            payload = {"folders": list(ask.folders), "listings": list(ask.listings), "objects": list(ask.objects)}
            order = Order("storage.read", payload, StorageRef(store["_id"], "", is_read_only=True))
            await self.outbox.enqueue(order, cluster_id=store["proxy_cluster_list"][0], key=key, job_id=job["_id"])
            return None
        if not CommandState(command["state"]).is_final:
            return None
        if end := failure(command):
            raise StoreSilentError(end)
        return StorageReading.model_validate(command["result"]["output"])
