"""The loops of one process. Each pass is safe to run in several processes at once, since every change is a compare-and-set."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from ..alert.service import Alerts
from ..backup.scheduler import Scheduler
from ..cluster.service import Clusters
from ..command.service import Outbox
from ..identity import AuditLog, People
from ..job.pruning import Pruner
from ..job.runner import Runner
from ..kit.store import StoreUnavailableError
from ..notification.service import Notifications
from ..object_store.tasks import StoreTasks
from ..recovery_point.expiry import Expiry

log = structlog.get_logger(__name__)

MAX_SWEEP_SECONDS = 3.0
ALERT_SECONDS = 1.0
PRUNE_SECONDS = 600.0
TIDY_SECONDS = 60.0
AUDIT_SECONDS = 60.0
SCHEDULE_SECONDS = 1.0
EXPIRY_SECONDS = 30.0
STORES_SECONDS = 2.0
STORE_TIDY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Worker:
    """Everything that runs beside the requests."""

    runner: Runner
    clusters: Clusters
    outbox: Outbox
    alerts: Alerts
    people: People
    audit: AuditLog
    scheduler: Scheduler
    notifications: Notifications
    stores: StoreTasks
    expiry: Expiry
    pruner: Pruner

    @property
    def _sweep_seconds(self) -> float:
        """Return how often to look: often enough that silence is noticed soon after it is one."""
        return min(MAX_SWEEP_SECONDS, self.clusters.silence_seconds / 5)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for work, pause_seconds, what in self._loops():
                tasks.create_task(self._for_ever(work, pause_seconds=pause_seconds, what=what))

    def _loops(self) -> tuple[tuple[Callable[[], Awaitable[None]], float, str], ...]:
        """Return what is done again and again, after how long a pause, and how the log calls it."""
        return (
            (self.runner.run, 1.0, "running jobs"),
            (self.clusters.sweep, self._sweep_seconds, "looking for silent agents"),
            (self.alerts.sweep, ALERT_SECONDS, "raising alerts"),
            (self.scheduler.look, SCHEDULE_SECONDS, "starting what is due"),
            (self.expiry.sweep, EXPIRY_SECONDS, "deleting what has expired"),
            (self.notifications.sweep, ALERT_SECONDS, "telling alerts"),
            (self.notifications.prune, PRUNE_SECONDS, "dropping old deliveries"),
            (self.outbox.prune, PRUNE_SECONDS, "dropping old commands"),
            (self.pruner.prune, PRUNE_SECONDS, "dropping old jobs and alerts"),
            (self.people.tidy, TIDY_SECONDS, "dropping sessions that are over"),
            (self.stores.sweep, STORES_SECONDS, "looking after object stores"),
            (self.stores.locations.tidy, STORE_TIDY_SECONDS, "forgetting object stores that are gone"),
            (self.audit.sweep, AUDIT_SECONDS, "keeping the audit log"),
        )

    async def _for_ever(self, work: Callable[[], Awaitable[None]], *, pause_seconds: float, what: str) -> None:
        while True:
            try:
                await work()
            except StoreUnavailableError as error:
                log.warning("The database is away; a pass will be tried again", what=what, reason=str(error))
            except Exception:  # a loop outlives its passes; each failure is logged
                log.exception("A pass failed and will be tried again", what=what)
            await asyncio.sleep(pause_seconds)
