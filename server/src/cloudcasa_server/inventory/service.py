"""Taking inventories in, and asking an agent for a fresh one."""

from __future__ import annotations

from collections.abc import Collection as AnyCollection
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex

from cloudcasa_contract.commands import Inventory
from cloudcasa_contract.states import ClusterState

from ..command.model import CommandState, Order
from ..command.service import Outbox
from ..kit.rest import Documents
from ..kit.store import And, Compare, Document, DuplicateKeyError, Store, Update, eq
from .model import CLAIMS, COLLECTION, Claim, diff, rows, stable_id

FRESH_SECONDS = 5.0
_BOUND = "Bound"


@dataclass(frozen=True, slots=True)
class Inventories:
    """The inventories of all clusters. `documents` by collection name."""

    documents: Mapping[str, Documents]
    store: Store
    outbox: Outbox

    async def record(self, cluster_id: str, inventory: Inventory, /) -> None:
        """Keep an inventory as the cluster's latest, unless a later one is kept already.

        One from the future counts as of now: a clock that was wrong once must not keep later inventories out.
        """
        kept = self.store.collection(COLLECTION)
        content: Document = {
            "_id": cluster_id,
            "taken_at": min(inventory.taken_at.timestamp(), self.outbox.clock.now().timestamp()),
            **inventory.model_dump(mode="json", exclude={"taken_at"}),
        }
        existing = await kept.get(cluster_id)
        if existing is not None and existing["taken_at"] > content["taken_at"]:
            return
        if not await kept.replace(content, expected=Compare("taken_at", "lte", content["taken_at"])):
            try:
                await kept.insert(content)
            except DuplicateKeyError:
                return
        for name, wanted in rows(inventory, cluster_id=cluster_id).items():
            await self._apply(self.documents[name], wanted, cluster_id=cluster_id)
        facts = {"status.version": inventory.kubernetes_version, "status.num_nodes": inventory.node_count}
        await self.store.collection("kubeclusters").update(cluster_id, Update(set=facts))

    async def _apply(self, documents: Documents, wanted: list[Document], *, cluster_id: str) -> None:
        plan = diff(await documents.collection.find(eq("cluster_id", cluster_id)), wanted)
        for row in plan.insert:
            document = documents.new({"_id": stable_id(documents.resource.name, row), **row})
            try:
                await documents.collection.insert(document)
            except DuplicateKeyError:  # another link of this cluster told it at the same moment
                await documents.set(document["_id"], row)
        for document_id, row in plan.change.items():
            await documents.set(document_id, row)
        for document_id in plan.delete:
            await documents.delete(document_id)

    async def fresh_namespaces(self, cluster: Document, /) -> frozenset[str] | None:
        """Return the namespaces there are now; None when the agent cannot be asked or does not answer in time."""
        inventory = await self.fresh(cluster)
        return None if inventory is None else frozenset(inventory.namespaces)

    async def bound_claims(self, cluster_id: str, /, *, since: int) -> frozenset[Claim]:
        """Return the bound claims that the cluster has had since a time, as far as its agent told."""
        query = And((eq("cluster_id", cluster_id), eq("phase", _BOUND), Compare("_created", "lte", since)))
        found = await self.documents[CLAIMS].collection.find(query)
        return frozenset(Claim(str(each["namespace_name"]), str(each["name"])) for each in found)

    async def still_bound(self, cluster: Document, claims: AnyCollection[Claim], /) -> frozenset[Claim]:
        """Return those of the claims that are there now; all when the agent cannot be asked."""
        inventory = await self.fresh(cluster)
        if inventory is None:
            return frozenset(claims)
        return frozenset(claims) & {Claim(each.namespace, each.name) for each in inventory.pvcs if each.phase == _BOUND}

    async def fresh(self, cluster: Document, /) -> Inventory | None:
        """Ask the agent what there is now; None when it cannot be asked or does not answer in time."""
        if cluster["status"]["state"] != ClusterState.ACTIVE.value:
            return None
        key = f"inventory:{cluster['_id']}:{token_hex(8)}"
        command_id = await self.outbox.enqueue(Order("inventory.collect"), cluster_id=cluster["_id"], key=key)
        command = await self.outbox.wait_done(command_id, timeout_seconds=FRESH_SECONDS)
        if command is None or command["state"] != CommandState.DONE.value:
            return None
        return Inventory.model_validate(command["result"]["output"])

    async def forget(self, cluster_id: str, /) -> None:
        """Drop what is known of a cluster that is no more."""
        await self.store.collection(COLLECTION).delete(cluster_id)
        for documents in self.documents.values():
            await documents.collection.delete_many(eq("cluster_id", cluster_id))
