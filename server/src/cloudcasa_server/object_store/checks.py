"""Trying stores out by themselves: public ones by this server, private ones by the agent of their proxy cluster (rest-api.md 2.4).

A store is claimed for a try by moving its due time, so of several servers one does it. A private store's try is a durable command; only the
answer to the latest counts, and none at all changes nothing but the message.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from cloudcasa_contract.frames import Outcome

from ..command.model import CommandState, Order, StorageRef
from ..command.service import Outbox
from ..job.outcome import failure_text
from ..kit.clock import Clock
from ..kit.ids import new_id
from ..kit.store import Compare, Document, Update, eq
from .check import COMMAND, DUE_AT, FAILED_SECONDS, VALIDATING, Rhythm, failed, passed, unanswered
from .probe import ProbeError
from .providers import provider_of
from .service import ObjectStores

log = structlog.get_logger(__name__)

PROBE = "storage.probe"
CLAIM_SECONDS = 60.0
"""For so long a store that is being tried is left to the server that does it."""
BATCH = 20


@dataclass(frozen=True, slots=True)
class Checks:
    """The tries of all stores."""

    stores: ObjectStores
    outbox: Outbox
    clock: Clock
    rhythm: Rhythm

    def now(self) -> float:
        """Return the time as seconds since 1970."""
        return self.clock.now().timestamp()

    async def sweep(self) -> None:
        """Try out what is due, a few at a time."""
        for _ in range(BATCH):
            due = Compare(DUE_AT, "lte", self.now())
            store = await self.stores.documents.collection.claim(due, Update(set={DUE_AT: self.now() + CLAIM_SECONDS}), sort=((DUE_AT, 1),))
            if store is None:
                return
            await self.start(store)

    async def start(self, store: Document, /) -> None:
        """Try a store out now, or have it tried out."""
        if store.get("private"):
            await self._ask(store)
        else:
            await self._probe(store)

    async def _probe(self, store: Document) -> None:
        try:
            await self.stores.probe(provider_of(store).target(store, self.stores.credentials(store)))
        except ProbeError as error:
            await self._record(store, failed(store, error.text, now=self.now(), rhythm=self.rhythm))
        else:
            await self._record(store, passed(store, now=self.now(), rhythm=self.rhythm))

    async def _ask(self, store: Document) -> None:
        """Send the command unless one is on its way, and say what is waited for."""
        cluster_id = next(iter(store.get("proxy_cluster_list") or ()), "")
        cluster = await self.stores.store.collection("kubeclusters").get(cluster_id) if cluster_id else None
        fields = unanswered(store, cluster, now=self.now())
        if cluster is None or await self._is_asked(store, cluster_id):
            await self._record(store, fields)
            return
        command_id = new_id()
        if await self._record(store, fields | {COMMAND: command_id}) is not None:
            order = Order(PROBE, storage=StorageRef(store["_id"], ""))
            await self.outbox.enqueue(order, cluster_id=cluster_id, key=f"{PROBE}:{command_id}", command_id=command_id)

    async def _is_asked(self, store: Document, cluster_id: str) -> bool:
        command = await self.outbox.find(store["check"]["command"]) if store["check"].get("command") else None
        return command is not None and command["cluster"] == cluster_id and not CommandState(command["state"]).is_final

    async def answered(self, command: Document, /) -> None:
        """Take in what a cluster found out, if it is what was asked for last."""
        store = await self.stores.documents.find(command["storage"]["objectstore"])
        if store is None or (store.get("check") or {}).get("command") != command["_id"]:
            return
        text = failure_text(command)
        if text and command["result"]["outcome"] == Outcome.UNSUPPORTED.value and store["validate_state"] == VALIDATING:
            fields = {"validate_message": f"Not tried out yet: {text}", COMMAND: "", DUE_AT: self.now() + FAILED_SECONDS}
        elif text:
            fields = failed(store, text, now=self.now(), rhythm=self.rhythm)
        else:
            fields = passed(store, now=self.now(), rhythm=self.rhythm)
        await self._record(store, fields)

    async def _record(self, store: Document, fields: dict[str, object]) -> Document | None:
        """Write what was found out of this very version of the store: one that was changed meanwhile is tried again anyway."""
        log.debug("Object store tried out", objectstore=store["_id"], state=fields.get("validate_state"))
        return await self.stores.documents.set(store["_id"], fields, expected=eq("_etag", store["_etag"]))
