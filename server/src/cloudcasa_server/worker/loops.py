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
            tasks.create_task(self._for_ever(self.runner.run, pause_seconds=1.0, what="running jobs"))
            tasks.create_task(self._for_ever(self.clusters.sweep, pause_seconds=self._sweep_seconds, what="looking for silent agents"))
            tasks.create_task(self._for_ever(self.alerts.sweep, pause_seconds=ALERT_SECONDS, what="raising alerts"))
            tasks.create_task(self._for_ever(self.scheduler.look, pause_seconds=SCHEDULE_SECONDS, what="starting what is due"))
            tasks.create_task(self._for_ever(self.expiry.sweep, pause_seconds=EXPIRY_SECONDS, what="deleting what has expired"))
            tasks.create_task(self._for_ever(self.notifications.sweep, pause_seconds=ALERT_SECONDS, what="telling alerts"))
            tasks.create_task(self._for_ever(self.notifications.prune, pause_seconds=PRUNE_SECONDS, what="dropping old deliveries"))
            tasks.create_task(self._for_ever(self.outbox.prune, pause_seconds=PRUNE_SECONDS, what="dropping old commands"))
            tasks.create_task(self._for_ever(self.pruner.prune, pause_seconds=PRUNE_SECONDS, what="dropping old jobs and alerts"))
            tasks.create_task(self._for_ever(self.people.tidy, pause_seconds=TIDY_SECONDS, what="dropping sessions that are over"))
            tasks.create_task(self._for_ever(self.stores.sweep, pause_seconds=STORES_SECONDS, what="looking after object stores"))
            tidy = self.stores.locations.tidy
            tasks.create_task(self._for_ever(tidy, pause_seconds=STORE_TIDY_SECONDS, what="forgetting object stores that are gone"))
            tasks.create_task(self._for_ever(self.audit.sweep, pause_seconds=AUDIT_SECONDS, what="keeping the audit log"))

    async def _for_ever(self, work: Callable[[], Awaitable[None]], *, pause_seconds: float, what: str) -> None:
        while True:
            try:
                await work()
            except StoreUnavailableError as error:
                log.warning("The database is away; a pass will be tried again", what=what, reason=str(error))
            except Exception:  # a loop outlives its passes; each failure is logged
                log.exception("A pass failed and will be tried again", what=what)
            await asyncio.sleep(pause_seconds)
