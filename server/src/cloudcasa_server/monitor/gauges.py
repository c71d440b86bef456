"""The numbers that are looked up when somebody asks: jobs, clusters, commands, leases, and this process's agents.

Every replica counts the same database, so a dashboard takes the maximum over replicas, not the sum; only agents are each replica's own. A scrape
costs about a dozen counts over indexes; many scrapes at once share one look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from cloudcasa_contract.states import FINAL_JOB_STATES, ClusterState, JobState
from prometheus_client import CollectorRegistry, Gauge

from ..command.model import OPEN_STATES
from ..kit.clock import Clock
from ..kit.store import And, Compare, In, Query, Store, StoreError, eq

SECONDS = 3.0
"""Longest a look at the database may take; a scraper waits ten."""
FRESH_SECONDS = 5.0
_OPEN_JOBS = tuple(state.value for state in JobState if state not in FINAL_JOB_STATES)


@dataclass
class Gauges:
    """The gauges, and how they are brought up to date."""

    registry: CollectorRegistry
    store: Store
    clock: Clock
    agents: Callable[[], int]
    _looked_at: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Register the gauges."""
        self._database = self._gauge("cloudcasa_database_up", "1 when the database answered this scrape.")
        self._clusters = self._gauge("cloudcasa_clusters", "Clusters by state.", "state")
        self._jobs = self._gauge("cloudcasa_jobs_open", "Jobs that have not ended, by state.", "state")
        self._commands = self._gauge("cloudcasa_outbox_commands", "Commands without a result, by state.", "state")
        self._oldest = self._gauge("cloudcasa_outbox_oldest_seconds", "Age of the oldest command that no agent has taken.")
        self._leases = self._gauge("cloudcasa_leases", "Leases that are held, by what is held.", "kind")
        self._agents = self._gauge("cloudcasa_agents_connected", "Agents that this process is connected to.")
        self._agents.set_function(lambda: float(self.agents()))

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    async def refresh(self) -> None:
        """Look again, unless somebody just did. A database that is away is itself a number."""
        async with self._lock:
            if self._now() - self._looked_at < FRESH_SECONDS:
                return
            try:
                async with asyncio.timeout(SECONDS):
                    await self._look()
            except (StoreError, TimeoutError):
                self._database.set(0)
            else:
                self._database.set(1)
            self._looked_at = self._now()

    async def _look(self) -> None:
        now = self._now()
        for state in ClusterState:
            self._clusters.labels(state.value).set(await self._count("kubeclusters", eq("status.state", state.value)))
        for name in _OPEN_JOBS:
            self._jobs.labels(name).set(await self._count("jobs", And((eq("script.is_open", True), eq("state", name)))))
        for name in OPEN_STATES:
            self._commands.labels(name).set(await self._count("commands", eq("state", name)))
        held = Compare("script.lease.until", "gt", now)
        self._leases.labels("job").set(await self._count("jobs", And((eq("script.is_open", True), held))))
        waiting = And((In("state", OPEN_STATES), Compare("lease.until", "gt", now)))
        self._leases.labels("command").set(await self._count("commands", waiting))
        self._oldest.set(await self._oldest_command(now))

    async def _count(self, collection: str, query: Query) -> int:
        return await self.store.collection(collection).count(query)

    async def _oldest_command(self, now: float) -> float:
        found = await self.store.collection("commands").find(
            eq("state", "QUEUED"), sort=(("created_at", 1),), limit=1, projection={"created_at": True}
        )
        return max(0.0, now - found[0]["created_at"]) if found else 0.0

    def _now(self) -> float:
        return self.clock.now().timestamp()
