"""A change of a store reaches every cluster that holds a location of it, and a store that is deleted leaves them all.

Commands are durable and resolved at delivery, so a cluster that was away gets what is right when it is back, however often that changed
meanwhile; answers that come late or out of order count by the revision that they name. Whoever changes a store marks it in the same write,
and the sweep goes on where a server died in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from cloudcasa_contract.commands import StorageEnsured

from ..command.model import CommandState, Order, StorageRef
from ..command.service import Outbox
from ..job.outcome import failure_text
from ..kit.clock import Clock
from ..kit.ids import new_id
from ..kit.store import Collection, Compare, Document, In, Store, Update, eq
from .location import DUE, LOCATIONS, REVISION, location_id, revision_of

log = structlog.get_logger(__name__)

STORES = "objectstores"
CLUSTERS = "kubeclusters"
ENSURE = "storage.ensure"
REMOVE = "storage.remove"
RETRY_SECONDS = 600.0
"""After a cluster said no. A run that uses the store tells the cluster anyway."""
BATCH = 500


@dataclass(frozen=True, slots=True)
class Locations:
    """The locations of all stores on all clusters."""

    store: Store
    outbox: Outbox
    clock: Clock

    @property
    def _rows(self) -> Collection:
        return self.store.collection(LOCATIONS)

    def _now(self) -> float:
        return self.clock.now().timestamp()

    async def of(self, objectstore_id: str, /) -> list[Document]:
        """Return the rows of a store."""
        return await self._rows.find(eq("objectstore", objectstore_id), sort=(("cluster", 1),))

    async def roll_out(self, store: Document, /) -> None:
        """Ask every cluster that is behind to take the store as it is now, then take the mark away."""
        revision = revision_of(store)
        for row in await self.of(store["_id"]):
            if row["reached"] < revision:
                await self._ask(row, ENSURE, key=f"{row['_id']}:{revision}")
        await self.store.collection(STORES).update(store["_id"], Update(set={DUE: False}), expected=eq(REVISION, revision))

    async def forget(self, objectstore_id: str, /) -> None:
        """Ask every cluster to forget a store that was deleted."""
        for row in await self.of(objectstore_id):
            if not row["is_removed"]:
                await self._ask(row, REMOVE, key=f"{row['_id']}:remove")

    async def _ask(self, row: Document, kind: str, *, key: str) -> None:
        """Note the command, then send it; the key makes both harmless when done twice."""
        fields = {"is_removed": kind == REMOVE, "problem": "", "retry_at": None}
        command_id = await self.outbox.enqueue(_order(row, kind), cluster_id=row["cluster"], key=f"{kind}:{key}", command_id=new_id())
        await self._rows.update(row["_id"], Update(set=fields | {"command": command_id}))
        command = await self.outbox.find(command_id)
        if command and CommandState(command["state"]).is_final:
            await self.answered(command)

    async def answered(self, command: Document, /) -> None:
        """Take in what became of a command that has to do with a store; doing it twice does no harm."""
        if command["kind"] == REMOVE:
            await self._removed(command)
            return
        reference = command.get("storage")
        if not reference or reference["cluster"] != command["cluster"]:
            return
        row = await self._rows.get(location_id(reference["objectstore"], command["cluster"]))
        if row is None:
            return
        text = failure_text(command)
        if command["kind"] == ENSURE and text:
            await self._failed(row, command, text)
        elif not text:
            await self._arrived(row, command)

    async def _arrived(self, row: Document, command: Document) -> None:
        """Count what has arrived: a run proves what the cluster was told first, since agents never go back."""
        fields: dict[str, Any] = {"reached": row["first"]}
        further = Compare("reached", "lt", row["first"])
        if command["kind"] == ENSURE:
            output = StorageEnsured.model_validate(command["result"]["output"])
            fields = {"reached": output.revision, "repaired": list(output.repaired)}
            further = Compare("reached", "lte", output.revision)
        if row["command"] == command["_id"]:
            fields |= {"problem": "", "retry_at": None}
        await self._rows.update(row["_id"], Update(set=fields), expected=further)

    async def _failed(self, row: Document, command: Document, text: str) -> None:
        latest = eq("command", command["_id"])
        await self._rows.update(row["_id"], Update(set={"problem": text, "retry_at": self._now() + RETRY_SECONDS}), expected=latest)

    async def _removed(self, command: Document) -> None:
        row_id = location_id(command["payload"]["objectstore_id"], command["cluster"])
        latest = eq("command", command["_id"])
        if text := failure_text(command):
            await self._rows.update(row_id, Update(set={"problem": text, "retry_at": self._now() + RETRY_SECONDS}), expected=latest)
        else:
            await self._rows.delete(row_id, expected=latest)

    async def sweep(self) -> None:
        """Go on with what a server left undone, and try again what failed."""
        for store in await self.store.collection(STORES).find(eq(DUE, True), limit=BATCH):
            await self.roll_out(store)
        for row in await self._rows.find(Compare("retry_at", "lte", self._now()), limit=BATCH):
            await self._try_again(row)

    async def _try_again(self, row: Document) -> None:
        """Ask anew, under a key of its own: the old one stands for the command that failed."""
        attempt = row["attempt"] + 1
        taken = await self._rows.update(
            row["_id"], Update(set={"attempt": attempt, "retry_at": None}), expected=eq("attempt", row["attempt"])
        )
        if taken is not None:
            await self._ask(taken, REMOVE if row["is_removed"] else ENSURE, key=f"{row['_id']}:again:{attempt}")

    async def tidy(self) -> None:
        """Drop the rows of clusters that are gone, and have stores that are gone forgotten: what deletions left behind when a server died."""
        last = ""
        while rows := await self._rows.find(Compare("_id", "gt", last), sort=(("_id", 1),), limit=BATCH):
            last = rows[-1]["_id"]
            clusters = await self._there(CLUSTERS, {row["cluster"] for row in rows})
            stores = await self._there(STORES, {row["objectstore"] for row in rows})
            for row in rows:
                if row["cluster"] not in clusters:
                    await self._rows.delete(row["_id"])
                elif row["objectstore"] not in stores:
                    await self.forget(row["objectstore"])

    async def _there(self, collection: str, ids: set[str]) -> set[str]:
        found = await self.store.collection(collection).find(In("_id", tuple(ids)), projection={"_id": True})
        return {one["_id"] for one in found}


def _order(row: Mapping[str, Any], kind: str) -> Order:
    if kind == REMOVE:
        return Order(REMOVE, {"objectstore_id": row["objectstore"]})
    return Order(ENSURE, storage=StorageRef(row["objectstore"], row["cluster"]))
