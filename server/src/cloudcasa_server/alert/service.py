"""Raising alerts: one for each event, whichever server does it, however often it is tried."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from ..kit.errors import InvalidError
from ..kit.rest import Documents
from ..kit.store import And, Compare, Document, Update, eq
from .model import UNTOLD, of_cluster, of_job, of_store

log = structlog.get_logger(__name__)

BATCH = 100


@dataclass(frozen=True, slots=True)
class Alerts:
    """The alerts, and the marks from which they are made."""

    documents: Documents

    async def sweep(self) -> None:
        """Raise what is due. A mark goes only after its alert is there, so a server that dies in between loses nothing."""
        await self._sweep_jobs()
        await self._sweep_clusters()
        await self._sweep_stores()

    async def _sweep_jobs(self) -> None:
        jobs = self.documents.store.collection("jobs")
        for job in await jobs.find(eq("script.is_alert_due", True), limit=BATCH):
            await self._raise(of_job(job))
            await jobs.update(job["_id"], Update(unset=("script.is_alert_due",)))

    async def _sweep_clusters(self) -> None:
        clusters = self.documents.store.collection("kubeclusters")
        is_due = Compare("agent.alert_at", "lte", self.documents.clock.now().timestamp())
        for cluster in await clusters.find(And((eq("status.state", "PENDING"), is_due)), limit=BATCH):
            await self._raise(of_cluster(cluster))
            mark = eq("agent.alert_at", cluster["agent"]["alert_at"])
            await clusters.update(cluster["_id"], Update(unset=("agent.alert_at",)), expected=mark)

    async def _sweep_stores(self) -> None:
        stores = self.documents.store.collection("objectstores")
        for store in await stores.find(eq("check.is_alert_due", True), limit=BATCH):
            await self._raise(of_store(store))
            await stores.update(store["_id"], Update(unset=("check.is_alert_due",)))

    async def _raise(self, fields: Document | None) -> None:
        if fields is None:
            return
        try:
            await self.documents.insert(self.documents.new(fields | {UNTOLD: True}))
        except InvalidError:
            return  # raised already
        log.info("Alert raised", type=fields["type"], event_of=fields["event"], text=fields["description"])
