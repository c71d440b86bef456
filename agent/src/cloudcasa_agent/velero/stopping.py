"""Stops a run that Velero has taken up or is about to: Velero itself has no such thing.

A run that has not begun is deleted, unless it begins at that moment. Of one that has, only the movements of its volumes can be stopped, and
they come up one by one: a sweeper asks each to stop as it appears, and Velero then ends the run as PartiallyFailed. A run without movements
goes on to its end. Measured in mover.md C; docs/adr/0037.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from cloudcasa_contract.commands import BackupOutput, RestoreOutput

from cloudcasa_agent.kube import EventKind, JsonObject, NotFoundError, Resource
from cloudcasa_agent.kube.errors import ConflictError

from .drive import Drive
from .resources import (
    BACKUP_NAME_LABEL,
    BACKUPS,
    DATA_DOWNLOADS,
    DATA_UPLOADS,
    POD_VOLUME_BACKUPS,
    POD_VOLUME_RESTORES,
    RESTORE_NAME_LABEL,
    RESTORES,
    label_value,
)

T = TypeVar("T")

_NOT_BEGUN = frozenset({"", "New", "Queued"})
"""Not ReadyToStart: Velero counts such a backup as running, and would go on counting one that was deleted (backup_queue_controller.go)."""
_CANCELED = "Canceled"
_ENDED = frozenset({"Completed", _CANCELED, "Failed"})


@dataclass(frozen=True)
class Running:
    """A kind of run, and the movements of volumes that belong to it."""

    resource: Resource
    label: str
    movements: tuple[Resource, ...]

    def selector(self, name: str) -> str:
        """Return the label selector of a run's movements."""
        return f"{self.label}={label_value(name)}"


BACKUP = Running(BACKUPS, BACKUP_NAME_LABEL, (DATA_UPLOADS, POD_VOLUME_BACKUPS))
RESTORE = Running(RESTORES, RESTORE_NAME_LABEL, (DATA_DOWNLOADS, POD_VOLUME_RESTORES))


async def withdraw(drive: Drive, resource: Resource, run: JsonObject) -> bool:
    """Delete a run that has not begun; False when it has."""
    current: JsonObject | None = run
    while current is not None:
        if phase_of(current) not in _NOT_BEGUN:
            return False
        try:
            await drive.client.delete_exactly(resource, current, only_unchanged=True)
        except ConflictError:
            current = await drive.client.find(resource, name=run["metadata"]["name"], namespace=drive.namespace)
        else:
            return True
    return True


async def stop_movements(drive: Drive, kind: Running, *, name: str) -> None:
    """Ask every movement of a run to stop, also those that come up later; never returns."""
    async with asyncio.TaskGroup() as group:
        for movements in kind.movements:
            group.create_task(_sweep(drive, movements, selector=kind.selector(name)))


async def is_stopped(drive: Drive, kind: Running, *, name: str, output: BackupOutput | RestoreOutput) -> bool:
    """Tell whether a movement of an ended run was stopped: then it lacks data that nobody may take it to have.

    The movements of a restore from another cluster's store are gone with it; what became of them stands in the output.
    """
    if was_stopped(output):
        return True
    found = await asyncio.gather(*(_listed(drive, movements, kind.selector(name)) for movements in kind.movements))
    return any(phase_of(item) == _CANCELED for items in found for item in items)


def was_stopped(output: BackupOutput | RestoreOutput, /) -> bool:
    """Tell whether the end of a run says that a movement was stopped."""
    return any(_CANCELED in volume.skipped_reason for volume in output.artifacts.volumes)


def phase_of(item: JsonObject, /) -> str:
    """Return the phase of an object of Velero's, empty before it has one."""
    return str((item.get("status") or {}).get("phase") or "")


async def with_helper(work: Coroutine[Any, Any, T], *, helper: Coroutine[Any, Any, None]) -> T:
    """Return what the work returns; the helper goes on as long. Trouble of the helper ends the work and is raised."""
    tasks: Sequence[asyncio.Task[Any]] = (asyncio.ensure_future(work), asyncio.ensure_future(helper))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            _raise_first(tasks[1])
        result: T = await tasks[0]
        return result
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _raise_first(task: asyncio.Task[Any]) -> None:
    error = task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is not None:
        raise error


async def _sweep(drive: Drive, movements: Resource, *, selector: str) -> None:
    async for event in drive.client.follow(movements, namespace=drive.namespace, label_selector=selector):
        if event.kind is EventKind.CHANGED and phase_of(event.object) not in _ENDED and not event.object["spec"].get("cancel"):
            await _ask(drive, movements, event.object)


async def _ask(drive: Drive, movements: Resource, item: JsonObject) -> None:
    try:
        await drive.client.patch(movements, {"spec": {"cancel": True}}, name=item["metadata"]["name"], namespace=drive.namespace)
    except NotFoundError:
        return


async def _listed(drive: Drive, movements: Resource, selector: str) -> tuple[JsonObject, ...]:
    return await drive.client.list_or_empty(movements, namespace=drive.namespace, label_selector=selector)
