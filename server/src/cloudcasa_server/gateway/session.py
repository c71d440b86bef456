"""One agent's link after hello: commands out, frames in, until one side ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog
from cloudcasa_contract.base import CommandId
from cloudcasa_contract.commands import Inventory, Problem
from cloudcasa_contract.frames import (
    Ack,
    Close,
    CloseReason,
    CommandFrame,
    Heartbeat,
    Hello,
    Outcome,
    Progress,
    Report,
    Result,
)

from ..cluster.service import Clusters, session_topic
from ..command.model import CommandState
from ..command.payload import Resolver, UndeliverableError
from ..command.service import Outbox, cluster_topic
from ..inventory.service import Inventories
from ..job.service import Jobs
from ..kit.bus import Bus
from ..kit.observe import SpanKind, span
from ..kit.store import Document
from ..object_store.tasks import StoreTasks
from .link import HangUpError, Link

log = structlog.get_logger(__name__)

PUMP_SECONDS = 2.0
_WATCH_SECONDS = 15.0
_UNBROKEN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms that the gateway speaks to."""

    clusters: Clusters
    outbox: Outbox
    jobs: Jobs
    inventories: Inventories
    resolver: Resolver
    bus: Bus
    stores: StoreTasks


@dataclass(eq=False)
class Session:
    """The link of one cluster's agent."""

    id: str
    cluster_id: str
    link: Link
    rooms: Rooms
    silence_seconds: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _hang_up: asyncio.Future[HangUpError] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def hang_up(self, reason: CloseReason, text: str = "") -> None:
        """End the link soon."""
        if not self._hang_up.done():
            self._hang_up.set_result(HangUpError(reason, text))

    async def run(self) -> None:
        """Serve the link until it ends. Raises HangUpError when it is the server that ends it, PeerGoneError when the agent did."""
        await _race(self._read(), self._pump(), self._watch(), self._obey())

    async def _obey(self) -> None:
        raise await self._hang_up

    async def _read(self) -> None:
        while True:
            try:
                frame = await self.link.receive(timeout_seconds=self.silence_seconds)
            except TimeoutError as error:
                raise HangUpError(CloseReason.SILENT, f"Nothing was heard for {self.silence_seconds:.0f} seconds.") from error
            match frame:
                case Heartbeat():
                    await self._heartbeat(frame)
                case Ack(id=command_id):
                    await self.rooms.outbox.renew(self.cluster_id, [command_id], owner=self.id)
                case Progress():
                    await self._progress(frame)
                case Result():
                    await _unbroken(self._finish(frame))
                    await self.link.send(Ack(id=frame.message_id))
                case Report():
                    if frame.inventory is not None:
                        await _unbroken(self.rooms.inventories.record(self.cluster_id, frame.inventory))
                    await self.link.send(Ack(id=frame.message_id))
                case Close(reason=reason):
                    log.info("Agent said goodbye", cluster=self.cluster_id, reason=reason.value)
                    return
                case Hello():
                    raise HangUpError(CloseReason.PROTOCOL_ERROR, "Hello comes once, at the start.")

    async def _heartbeat(self, frame: Heartbeat) -> None:
        if not await self.rooms.clusters.heard(self.cluster_id, session=self.id, problem=frame.engine_problem):
            await self._check_current()
        await self.rooms.outbox.renew(self.cluster_id, frame.running, owner=self.id)

    async def _check_current(self) -> None:
        match await self.rooms.clusters.is_current(self.cluster_id, session=self.id):
            case None:
                raise HangUpError(CloseReason.CLUSTER_DELETED, "The cluster was deleted from the server.")
            case False:
                raise HangUpError(CloseReason.SUPERSEDED, "A newer link of this cluster took over.")

    async def _progress(self, frame: Progress) -> None:
        command = await self.rooms.outbox.find_owned(frame.command_id, cluster_id=self.cluster_id)
        if command is None or CommandState(command["state"]).is_final:
            return
        await self.rooms.outbox.renew(self.cluster_id, [frame.command_id], owner=self.id)
        job = await self.rooms.jobs.get(command["job"]) if command.get("job") else None
        if job is not None:
            await self.rooms.jobs.record_progress(job, frame)

    async def _finish(self, result: Result) -> None:
        """Store a result, then let the rooms act on it. Of one that was stored before, the first counts; acting on it twice does no harm."""
        command = await self.rooms.outbox.finish(result, cluster_id=self.cluster_id)
        if command is None:
            log.info("Result of an unknown command ignored", cluster=self.cluster_id, command_id=result.command_id)
            return
        log.info("Command ended", cluster=self.cluster_id, command_id=result.command_id, kind=command["kind"], outcome=result.outcome.value)
        with span(f"take in {command['kind']}", _about(command) | {"cloudcasa.outcome": result.outcome.value}, kind=SpanKind.CONSUMER):
            await self._act_on(command, result)

    async def _act_on(self, command: Document, result: Result) -> None:
        await self.rooms.stores.answered(command)
        if command.get("job"):
            await self.rooms.jobs.wake(command["job"])
        elif command["kind"] == "engine.ensure":
            await self.rooms.clusters.engine_answered(command)
        elif command["kind"] == "preflight.run":
            await self.rooms.clusters.preflight_answered(command)
        elif isinstance(result.output, Inventory) and command["kind"] == result.output.kind:
            await self.rooms.inventories.record(self.cluster_id, result.output)

    async def _pump(self) -> None:
        async with self.rooms.bus.subscribe(cluster_topic(self.cluster_id)) as signal:
            while True:
                document = await self.rooms.outbox.claim(self.cluster_id, owner=self.id)
                if document is None:
                    await signal.receive(timeout_seconds=PUMP_SECONDS)
                    continue
                await self._deliver(document)

    async def _deliver(self, document: Document) -> None:
        command_id = CommandId(document["_id"])
        try:
            command = await self.rooms.resolver.resolve(document)
        except UndeliverableError as error:
            problem = Problem(slug=error.slug, text=error.text)
            await self._finish(Result(message_id=command_id, command_id=command_id, outcome=Outcome.FAILED, problem=problem))
            return
        with span(f"deliver {document['kind']}", _about(document), kind=SpanKind.PRODUCER):
            await self.link.send(CommandFrame(command_id=command_id, delivery=document["deliveries"], command=command))
        log.info(
            "Command delivered", cluster=self.cluster_id, command_id=command_id, kind=document["kind"], delivery=document["deliveries"]
        )

    async def _watch(self) -> None:
        """Notice at once when the cluster is deleted or a newer link took over."""
        async with self.rooms.bus.subscribe(session_topic(self.cluster_id)) as signal:
            while True:
                await self._check_current()
                await signal.receive(timeout_seconds=_WATCH_SECONDS)


def _about(command: Document) -> dict[str, str | int]:
    return {"cloudcasa.command.id": command["_id"], "cloudcasa.command.kind": command["kind"], "cloudcasa.cluster.id": command["cluster"]}


async def _unbroken(work: Coroutine[Any, Any, None]) -> None:
    """Do the work to its end also when the link ends meanwhile: what was taken in by half would not be sent again."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_UNBROKEN_SECONDS)
        raise


async def _race(*parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts until one ends, end the others, and raise what the first raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
