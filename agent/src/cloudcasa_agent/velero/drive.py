"""Drives Velero through one command: create the object or find it by the command's id, watch it to its end, read what it wrote.

A command may come again after a restart of the agent; the label is what makes it one run all the same. Progress goes out of here as
plain frames. Phases are an open set: only the terminal ones of the contract end a watch. Source: velero.md 3, 4, 7.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from cloudcasa_contract.base import CommandId
from cloudcasa_contract.commands import COMMAND_LABEL
from cloudcasa_contract.frames import Progress, VolumeProgress
from cloudcasa_contract.states import TERMINAL_VELERO_PHASES

from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kit.unbroken import unbroken
from cloudcasa_agent.kube import AlreadyExistsError, EventKind, JsonObject, KubeClient, Resource

from .errors import BackupExistsError, BackupVanishedError, EngineTimeoutError
from .resources import command_selector

_LONGEST_SECONDS = 24 * 3600.0
_log = get_logger("velero")

Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Drive:
    """What every step of a command needs."""

    client: KubeClient
    namespace: str
    command_id: CommandId
    tell: Tell
    may_start: bool = True
    """False: what is not there must not be made any more."""

    def say(self, *, phase: str, activity: str = "") -> None:
        """Tell what is being waited for."""
        self.tell(Progress(command_id=self.command_id, phase=phase, activity=activity))

    def say_repaired(self, what: tuple[str, ...]) -> None:
        """Tell what somebody had changed by hand and was put right."""
        if what:
            self.say(phase="Preparing", activity=f"Changed by hand on the cluster, and put right: {'; '.join(what)}.")


@dataclass
class Watched:
    """The newest state of a run: the Backup or Restore, and the movement of its volumes by name."""

    run: JsonObject
    movements: dict[str, JsonObject] = field(default_factory=dict)

    @property
    def status(self) -> JsonObject:
        """Return the status of the run."""
        status: JsonObject = self.run.get("status") or {}
        return status

    @property
    def phase(self) -> str:
        """Return Velero's phase, New before it has one."""
        return str(self.status.get("phase") or "New")

    @property
    def is_ended(self) -> bool:
        """Tell whether the run is over."""
        return self.phase in TERMINAL_VELERO_PHASES

    def moved_bytes(self) -> tuple[int, int]:
        """Return total and done of all movements."""
        progress = [(item.get("status") or {}).get("progress") or {} for item in self.movements.values()]
        return sum(item.get("totalBytes", 0) for item in progress), sum(item.get("bytesDone", 0) for item in progress)

    def forget(self, movement: JsonObject) -> None:
        """Learn that a movement was deleted: one that had not completed did not happen."""
        status = movement.get("status") or {}
        gone = status if status.get("phase") == "Completed" else status | {"phase": "Deleted"}
        self.movements[movement["metadata"]["name"]] = movement | {"status": gone}

    def volumes(self) -> tuple[VolumeProgress, ...]:
        """Return how far each volume is."""
        return tuple(_volume_progress(item) for _, item in sorted(self.movements.items()))


async def find_by_command(drive: Drive, resource: Resource) -> JsonObject | None:
    """Return the object that was made for this command, or None."""
    selector = command_selector(drive.command_id)
    items = (await drive.client.list(resource, namespace=drive.namespace, label_selector=selector)).items
    return items[0] if items else None


async def create_or_find(drive: Drive, resource: Resource, body: JsonObject) -> JsonObject:
    """Create the object; one that is there already must be this command's. Raises BackupExistsError, BackupVanishedError.

    A creation that was begun is waited for, also by a command that is given up: what takes it over must find what it made.
    """
    name = body["metadata"]["name"]
    if not drive.may_start:
        raise BackupVanishedError(f'{resource.kind} "{name}" is not there any more, and is not made again.')
    try:
        return await unbroken(drive.client.create(resource, body))
    except AlreadyExistsError:
        have = await drive.client.get(resource, name=name, namespace=drive.namespace)
    if (have["metadata"].get("labels") or {}).get(COMMAND_LABEL) == drive.command_id:
        return have
    raise BackupExistsError(f'Cannot create {resource.kind} "{name}": one of this name exists and belongs to another command.')


async def watch_run(
    drive: Drive, resource: Resource, run: JsonObject, *, movements: Resource, selector: str, beside: Coroutine[Any, Any, None]
) -> Watched:
    """Watch a run to its terminal phase, telling progress. Raises BackupVanishedError, EngineTimeoutError.

    `beside` goes on as long; it hurries the run, and its trouble fails nothing.
    """
    watched = Watched(run=run)
    try:
        async with asyncio.timeout(_LONGEST_SECONDS), asyncio.TaskGroup() as group:
            volumes = group.create_task(_watch_movements(drive, watched, movements=movements, selector=selector))
            helper = group.create_task(_calmly(beside))
            await _watch_phase(drive, resource, watched)
            volumes.cancel()
            helper.cancel()
    except* TimeoutError:
        text = f'{resource.kind} "{run["metadata"]["name"]}" did not end within {_LONGEST_SECONDS / 3600:.0f} hours.'
        raise EngineTimeoutError(text) from None
    except* AgentError as failures:
        raise _first(failures) from None
    final = await drive.client.list(movements, namespace=drive.namespace, label_selector=selector)
    watched.movements |= {item["metadata"]["name"]: item for item in final.items}
    return watched


async def _calmly(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except* AgentError as failures:
        _log.info("The run is not hurried any more", reason=_first(failures).text)
    except* Exception:  # noqa: BLE001 -- a bug here must not fail a backup that goes well; it is logged
        _log.exception("The run is not hurried any more")


def _first(failures: BaseExceptionGroup[AgentError]) -> AgentError:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


async def _watch_phase(drive: Drive, resource: Resource, watched: Watched) -> None:
    name = watched.run["metadata"]["name"]
    is_seen = False
    async for event in drive.client.follow(resource, namespace=drive.namespace, name=name):
        if event.kind is EventKind.CHANGED:
            is_seen = True
            watched.run = event.object
            _tell(drive, watched)
        if event.kind is EventKind.DELETED or (event.kind is EventKind.SYNCED and not is_seen):
            raise BackupVanishedError(f'{resource.kind} "{name}" was deleted in the cluster before it had ended.')
        if watched.is_ended:
            return


async def _watch_movements(drive: Drive, watched: Watched, *, movements: Resource, selector: str) -> None:
    async for event in drive.client.follow(movements, namespace=drive.namespace, label_selector=selector):
        if event.kind is EventKind.CHANGED:
            watched.movements[event.object["metadata"]["name"]] = event.object
            _tell(drive, watched)
        if event.kind is EventKind.DELETED:
            watched.forget(event.object)


def _tell(drive: Drive, watched: Watched) -> None:
    items = watched.status.get("progress") or {}
    total, done = watched.moved_bytes()
    drive.tell(
        Progress(
            command_id=drive.command_id,
            phase=watched.phase,
            items_total=items.get("totalItems", 0),
            items_done=items.get("itemsBackedUp", items.get("itemsRestored", 0)),
            bytes_total=total,
            bytes_done=done,
            volumes=watched.volumes(),
        )
    )


def _volume_progress(movement: JsonObject) -> VolumeProgress:
    namespace, pvc = movement_claim(movement)
    status = movement.get("status") or {}
    progress = status.get("progress") or {}
    return VolumeProgress(
        namespace=namespace,
        pvc=pvc,
        phase=status.get("phase") or "New",
        bytes_total=progress.get("totalBytes", 0),
        bytes_done=progress.get("bytesDone", 0),
    )


def movement_claim(movement: JsonObject, /) -> tuple[str, str]:
    """Return namespace and name of the claim that a DataUpload or DataDownload is about."""
    spec = movement["spec"]
    target = spec.get("targetVolume")
    if target:
        return target.get("namespace", ""), target.get("pvc", "")
    return spec.get("sourceNamespace", ""), (spec.get("csiSnapshot") or {}).get("sourcePVC") or spec.get("sourcePVC", "")
