"""The agent's process: one task group holds the link, the commands, the inventory and the looks at the engine.

SIGTERM drains: commands are given up (the server delivers them again and the objects on the cluster say how far they came), what
was finished is given a moment to be acknowledged, and the link is closed with its reason.
"""

from __future__ import annotations

import asyncio
import signal
import uuid
from contextlib import suppress

from cloudcasa_contract.frames import Capability, Hello

from cloudcasa_agent import __version__
from cloudcasa_agent.channel import Channel, ChannelSettings, Outbox
from cloudcasa_agent.channel.transport import Endpoint
from cloudcasa_agent.handlers import Dispatcher, handle
from cloudcasa_agent.handlers.context import Engine
from cloudcasa_agent.kit.alive import touch_alive
from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kit.settings import Settings
from cloudcasa_agent.kube import KubeClient
from cloudcasa_agent.velero.install import engine_problem
from cloudcasa_agent.velero.loan import sweep

from .credential import SecretCredentialStore
from .inventory import InventoryReporter

_DRAIN_SECONDS = 5.0
_LOOK_SECONDS = 30.0
_SWEEP_SECONDS = 3600.0
_log = get_logger("app")


async def run_agent(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    settings.require_link()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    client = await KubeClient.connect(kubeconfig=settings.kubeconfig)
    try:
        await _supervise(settings, client=client, stopping=stopping)
    finally:
        await client.aclose()


async def _supervise(settings: Settings, *, client: KubeClient, stopping: asyncio.Event) -> None:
    outbox = Outbox()
    engine = Engine(client=client, namespace=settings.namespace)
    reporter = InventoryReporter(client, outbox=outbox, period_seconds=settings.inventory_seconds)
    async with asyncio.TaskGroup() as group:
        alive = group.create_task(touch_alive(settings.alive_file), name="alive")
        version = await _kubernetes_version(client, stopping=stopping)
        dispatcher = Dispatcher(engine=engine, outbox=outbox, tasks=group, handle=handle, on_ack=reporter.on_ack)
        channel = _channel(settings, client=client, outbox=outbox, dispatcher=dispatcher, kubernetes_version=version)
        link = group.create_task(channel.run(), name="channel")
        background = [
            alive,
            group.create_task(reporter.run(), name="inventory"),
            group.create_task(_look_at_engine(engine), name="engine"),
            group.create_task(_sweep(engine), name="sweep"),
        ]
        _log.info("Agent started", version=__version__, cluster=settings.cluster_id, namespace=settings.namespace)
        await stopping.wait()
        _log.info("Stopping")
        await dispatcher.stop()
        for task in background:
            task.cancel()
        await _flush(outbox)
        link.cancel()


def _channel(settings: Settings, *, client: KubeClient, outbox: Outbox, dispatcher: Dispatcher, kubernetes_version: str) -> Channel:
    instance_id = uuid.uuid4().hex
    endpoint = Endpoint(settings.server_url, ca_file=settings.ca_file, skip_tls_verification=settings.skip_tls_verification)

    def hello() -> Hello:
        return Hello(
            cluster_id=settings.cluster_id,
            instance_id=instance_id,
            agent_version=__version__,
            kubernetes_version=kubernetes_version,
            platform=settings.platform,
            capabilities=frozenset({Capability.VELERO_PRO.value, Capability.PREFLIGHT.value}),
            running=dispatcher.running,
        )

    return Channel(
        ChannelSettings(
            endpoint=endpoint,
            bootstrap=settings.bootstrap_credential(),
            slow_delay_seconds=settings.slow_retry_seconds,
            user_agent=f"cloudcasa-agent/{__version__}",
        ),
        store=SecretCredentialStore(client, namespace=settings.namespace),
        outbox=outbox,
        receiver=dispatcher,
        hello=hello,
    )


async def _kubernetes_version(client: KubeClient, *, stopping: asyncio.Event) -> str:
    """Return the cluster's version, waiting for an API server that is away."""
    while not stopping.is_set():
        try:
            return await client.version()
        except AgentError as error:
            _log.warning("Waiting for the Kubernetes API", reason=error.text)
            await asyncio.sleep(2.0)
    return ""


async def _look_at_engine(engine: Engine) -> None:
    """Keep what the heartbeat says about the engine true; what an installation found stays until the next one."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        is_ours = engine.problem is None or engine.problem.slug == "engine-not-ready"
        if is_ours and not engine.install_lock.locked() and not engine.start_lock.locked():
            with suppress(AgentError):
                engine.problem = await engine_problem(engine.client, namespace=engine.namespace, is_installed=engine.is_installed)


async def _sweep(engine: Engine) -> None:
    """Remove, at the start and then every hour, what restores of agents that were killed left behind."""
    while True:
        with suppress(AgentError):
            async with engine.storage_lock:
                await sweep(engine.client, namespace=engine.namespace, borrowers=engine.borrowers)
        await asyncio.sleep(_SWEEP_SECONDS)


async def _flush(outbox: Outbox) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while not outbox.is_empty:  # noqa: ASYNC110 - five seconds at most, once, at the end
                await asyncio.sleep(0.05)
