"""Puts a server process together: one place where every room meets its neighbours. `create_app` is what uvicorn and tests run."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import structlog
from cloudcasa_contract.frames import CHANNEL_PATH
from cloudcasa_contract.states import JobType
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.routing import WebSocketRoute

from .alert.resource import ALERTS
from .alert.service import Alerts
from .api import declare, describe_api
from .backup.admission import Admission
from .backup.scheduler import Scheduler
from .backup.script import BackupScript
from .cluster.resource import CLUSTERS, BusBox, Installation
from .cluster.service import Clusters
from .command import model as command
from .command.images import Images
from .command.payload import Resolver
from .command.service import Outbox
from .gateway.channel import Gateway
from .gateway.session import Rooms
from .hook.resource import HOOK_TEMPLATES
from .hook.templates import sync_templates
from .identity import (
    APIKEYS,
    AUDITLOGS,
    PEOPLE_INDEXES,
    ROLES,
    ApiKeys,
    AuditLog,
    Caches,
    ClientAddress,
    KeyQuota,
    People,
    declare_people,
    seed_roles,
    wire_people,
)
from .identity.served import declare as declare_identity
from .identity.service import BOOTSTRAP_FILE
from .inventory.resource import INVENTORY_RESOURCES
from .inventory.service import Inventories
from .job.metrics import JobMetrics
from .job.model import Script
from .job.pruning import Pruner
from .job.resource import JOBS, PVC_PROGRESS
from .job.runner import Runner
from .job.service import Jobs
from .job.slots import Slots
from .job.volumes import Volumes
from .kit.bus import Bus, LocalBus
from .kit.clock import Clock, SystemClock
from .kit.crypto import Vault, load_vault
from .kit.lease import Lease
from .kit.migration import Migrator
from .kit.observe import Metrics, ObservedStore
from .kit.openapi import install_page
from .kit.rest import Access, Change, Documents, Resource, RestApi, Services, open_access
from .kit.settings import Settings
from .kit.store import Store, StoreError, open_store, wait_until_reachable
from .kit.tls import Certificate, ensure_certificate, own_certificate
from .migrations import MIGRATIONS
from .monitor.gauges import Gauges
from .monitor.probes import Monitor, Readiness, install_probes
from .notification.resource import NOTIFICATION_CHANNELS, NOTIFICATION_DELIVERIES
from .notification.senders import ChatSender, HookSender, MailSender, MailServer, Sender
from .notification.service import Notifications
from .object_store import location
from .object_store.check import Rhythm
from .object_store.checks import Checks
from .object_store.locations import Locations
from .object_store.probe import Probe, TimedProbe
from .object_store.resource import OBJECT_STORES
from .object_store.service import ObjectStores
from .object_store.tasks import StoreTasks
from .policy.plan import Bounds
from .policy.service import Schedules
from .recovery_point.deletion import Deletions
from .recovery_point.expiry import Expiry
from .recovery_point.resource import RECOVERY_POINTS
from .recovery_point.script import DeleteScript
from .restore.script import RestoreScript
from .store_import.catalogue import Catalogue
from .store_import.reading import Readings
from .store_import.script import ImportScript
from .worker.loops import Worker

log = structlog.get_logger(__name__)

SERVER_VERSION = version("cloudcasa-server")
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI's own, which records query strings and the texts of exceptions. Ours is in kit/observe."""


class ChannelRoute(WebSocketRoute):
    """The agents' route, which says who may use it."""

    access: Access = open_access("an agent shows its own credential, which the gateway checks")


@dataclass(frozen=True)
class Parts:
    """A server process, wired but not started."""

    settings: Settings
    store: Store
    vault: Vault
    clock: Clock
    bus: Bus
    keys: ApiKeys
    people: People
    audit: AuditLog
    roles: Documents
    stores: ObjectStores
    clusters: Clusters
    gateway: Gateway
    worker: Worker
    services: Services
    metrics: Metrics
    readiness: Readiness


def server_certificate(settings: Settings, *, clock: Clock) -> Certificate | None:
    """Return what is served: the operator's certificate, or one of our own CA, or None without TLS."""
    if not settings.tls:
        return None
    if settings.tls_certificate_file and settings.tls_private_key_file:
        return own_certificate(settings.tls_certificate_file, settings.tls_private_key_file, ca_file=settings.tls_ca_file)
    return ensure_certificate(settings.data_dir / "tls", names=settings.certificate_names, now=clock.now())


def create_app(
    settings: Settings, *, store: Store | None = None, clock: Clock | None = None, bus: Bus | None = None, probe: Probe | None = None
) -> FastAPI:
    """Return the application. Its lifespan opens the database, makes what a first start needs and runs the worker."""
    parts = _wire(settings, store=store, clock=clock or SystemClock(), bus=bus or LocalBus(), probe=probe)
    app = FastAPI(
        title="CloudCasa",
        version=SERVER_VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=_NO_TELEMETRY,
        lifespan=_lifespan(parts),
    )
    app.state.parts = parts
    app.state.has_new_key = False
    app.state.is_database_open = False
    rest = RestApi(
        store=parts.store,
        vault=parts.vault,
        clock=parts.clock,
        authenticator=parts.people.callers,
        services=parts.services,
        recorder=parts.audit,
        metrics=parts.metrics,
        is_logging_access=settings.access_log,
    )
    declare_identity(rest)
    declare_people(rest)
    declare(rest)
    install_probes(rest, _monitor(parts), access=settings.metrics_access)
    install_page(rest, lambda: describe_api(rest, version=SERVER_VERSION))
    app.state.rest = rest
    app.router.routes.append(ChannelRoute(CHANNEL_PATH, parts.gateway.serve))
    rest.install(app)
    app.add_middleware(ClientAddress, trusted=settings.trusted_proxies)
    return app


def _monitor(parts: Parts) -> Monitor:
    gauges = Gauges(parts.metrics.registry, store=parts.store, clock=parts.clock, agents=lambda: parts.gateway.connected)
    return Monitor(parts.readiness, parts.metrics, gauges)


def _wire(settings: Settings, *, store: Store | None, clock: Clock, bus: Bus, probe: Probe | None) -> Parts:
    url = settings.database_url.get_secret_value() if settings.database_url else None
    metrics = Metrics(version=SERVER_VERSION)
    store = ObservedStore(store or open_store(url, data_dir=settings.data_dir), metrics)
    vault = load_vault(settings.key_file)

    def documents(resource: Resource) -> Documents:
        return Documents(resource, store=store, clock=clock, vault=vault)

    images = Images(agent=settings.agent_image, velero=settings.velero_image, plugin_aws=settings.plugin_aws_image)
    keys = ApiKeys(documents(APIKEYS), clock=clock)
    people = wire_people(settings, store=store, vault=vault, clock=clock, keys=keys)
    caches = Caches(keys)
    audit = AuditLog(documents(AUDITLOGS), clock=clock, retention_days=settings.audit_retention_days)
    stores = ObjectStores(documents(OBJECT_STORES), store=store, vault=vault, probe=probe or TimedProbe(settings.probe_seconds))
    outbox = Outbox(store=store, bus=bus, clock=clock, lease_seconds=settings.command_retry_seconds)
    jobs = Jobs(
        documents(JOBS),
        store=store,
        bus=bus,
        clock=clock,
        volumes=Volumes(documents(PVC_PROGRESS)),
        lease_seconds=settings.lease_seconds,
    )
    inventories = Inventories({resource.name: documents(resource) for resource in INVENTORY_RESOURCES}, store=store, outbox=outbox)
    clusters = Clusters(
        documents(CLUSTERS),
        outbox=outbox,
        jobs=jobs,
        clock=clock,
        engine_version=f"{SERVER_VERSION}|{images.velero}|{images.plugin_aws}",
        silence_seconds=settings.silence_seconds,
    )
    resolver = Resolver(store=store, stores=stores, images=images, clock=clock)
    locations = Locations(store=store, outbox=outbox, clock=clock)
    checks = Checks(stores=stores, outbox=outbox, clock=clock, rhythm=Rhythm(settings.store_check_seconds))
    store_tasks = StoreTasks(locations, checks)
    rooms = Rooms(clusters=clusters, outbox=outbox, jobs=jobs, inventories=inventories, resolver=resolver, bus=bus, stores=store_tasks)
    points = documents(RECOVERY_POINTS)
    deletions = Deletions(points, jobs)
    expiry = Expiry(deletions, Lease(store, clock, name="expiry", seconds=settings.lease_seconds), settings.keep_last_good)
    schedules = Schedules(
        store=store, clock=clock, settle_seconds=settings.schedule_settle_seconds, jitter_seconds=settings.schedule_jitter_seconds
    )
    admission = Admission(
        slots=Slots(store),
        clock=clock,
        missed_run_seconds=settings.missed_run_seconds,
        max_runs_per_cluster=settings.max_runs_per_cluster,
        max_runs_per_store=settings.max_runs_per_store,
    )
    scheduler = Scheduler(
        schedules=schedules,
        jobs=jobs,
        lease=Lease(store, clock, name="scheduler", seconds=settings.lease_seconds),
        bounds=Bounds(settings.missed_run_seconds),
    )
    notifications = _notifications(settings, documents(NOTIFICATION_CHANNELS), documents(NOTIFICATION_DELIVERIES))
    backup = BackupScript(jobs=jobs, outbox=outbox, stores=stores, points=points, inventories=inventories, admission=admission)
    pruner = Pruner(
        store,
        clock,
        Lease(store, clock, name="pruning", seconds=settings.lease_seconds),
        job_days=settings.job_retention_days,
        alert_days=settings.alert_retention_days,
    )
    certificate = server_certificate(settings, clock=clock)
    ca_pem = certificate.ca_file.read_text("ascii") if certificate and certificate.ca_file else None
    installation = Installation(
        public_url=settings.public_url.rstrip("/"), ca_pem=ca_pem, images=images, pull_policy=settings.agent_image_pull_policy
    )
    catalogue = Catalogue(points, clusters.documents, stores.documents, installation, audit)
    scripts = _scripts(backup, deletions=deletions, audit=audit) | {
        JobType.IMPORT.value: ImportScript(jobs, stores, Readings(stores, outbox), catalogue).script()
    }
    runner = Runner(
        jobs=jobs,
        bus=bus,
        scripts=scripts,
        job_timeout_seconds=settings.job_timeout_seconds,
        name=f"{socket.gethostname()}-{os.getpid()}",
        metrics=JobMetrics(metrics.registry),
    )
    return Parts(
        settings=settings,
        store=store,
        vault=vault,
        clock=clock,
        bus=bus,
        keys=keys,
        people=people,
        audit=audit,
        roles=documents(ROLES),
        stores=stores,
        clusters=clusters,
        gateway=Gateway(rooms, server_version=SERVER_VERSION, settings=settings),
        worker=Worker(
            runner, clusters, outbox, Alerts(documents(ALERTS)), people, audit, scheduler, notifications, store_tasks, expiry, pruner
        ),
        services=Services(
            keys,
            schedules,
            caches,
            audit,
            KeyQuota(settings.api_key_quota),
            *people.services,
            stores,
            locations,
            checks,
            outbox,
            jobs,
            inventories,
            clusters,
            installation,
            notifications,
            deletions,
            expiry,
            BusBox(bus),
        ),
        metrics=metrics,
        readiness=Readiness(),
    )


def _notifications(settings: Settings, channels: Documents, deliveries: Documents) -> Notifications:
    public_url = settings.public_url.rstrip("/")
    server = MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        user=settings.smtp_user,
        password_file=settings.smtp_password_file,
        ca_file=settings.smtp_ca_file,
        sender=settings.mail_from,
    )
    senders: dict[str, Sender] = {
        "email": MailSender(server, public_url),
        "webhook": HookSender(channels.clock, public_url),
        "slack": ChatSender(public_url),
    }
    return Notifications(channels, deliveries, senders)


def _scripts(backup: BackupScript, *, deletions: Deletions, audit: AuditLog) -> dict[str, Script]:
    jobs, outbox, steps = backup.jobs, backup.outbox, backup.script()
    return {
        JobType.K8S_SNAP.value: steps,
        JobType.K8S_COPY.value: steps,
        JobType.RESTORE.value: RestoreScript(jobs=jobs, outbox=outbox, points=backup.points).script(),
        JobType.DELETE_BACKUP.value: DeleteScript(deletions, outbox=outbox, recorder=audit).script(),
    }


def _lifespan(parts: Parts) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await open_database(app)
        await prepare_identity(app)
        app.state.has_new_key = await parts.keys.bootstrap(parts.settings.data_dir) is not None
        if app.state.has_new_key:
            await parts.audit.record(Change("create", APIKEYS.name, name=BOOTSTRAP_FILE, message="Nobody was left who may do everything."))
        await parts.stores.repository_password()
        await sync_templates(Documents(HOOK_TEMPLATES, store=parts.store, clock=parts.clock, vault=parts.vault))
        async with _running(parts):
            parts.readiness.start()
            yield

    return lifespan


async def prepare_identity(app: FastAPI) -> None:
    """Make the built-in roles and the organisation, which people need before they are people."""
    parts: Parts = app.state.parts
    await seed_roles(parts.roles, known=app.state.rest.permissions)
    await parts.people.prepare()


async def open_database(app: FastAPI) -> None:
    """Reach the database and bring it up to date, once. Raises StoreError with a sentence for whoever starts the server."""
    parts: Parts = app.state.parts
    if app.state.is_database_open:
        return
    await wait_until_reachable(parts.store, clock=parts.clock, timeout_seconds=parts.settings.database_wait_seconds)
    migrator = Migrator(
        store=parts.store,
        clock=parts.clock,
        migrations=MIGRATIONS,
        indexes={**app.state.rest.indexes(), **PEOPLE_INDEXES, command.COLLECTION: command.INDEXES, location.LOCATIONS: location.INDEXES},
        lease_seconds=parts.settings.lease_seconds,
        name=parts.worker.runner.name,
    )
    await migrator.run()
    app.state.is_database_open = True


def _running(parts: Parts) -> AbstractAsyncContextManager[None]:
    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        worker = asyncio.create_task(parts.worker.run())
        try:
            yield
        finally:
            parts.readiness.drain()
            parts.gateway.close_all()
            parts.people.close()
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
            with suppress(StoreError):
                await parts.worker.scheduler.lease.release()
            await parts.store.close()

    return running()
