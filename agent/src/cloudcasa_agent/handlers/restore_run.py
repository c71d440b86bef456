"""restore.run: make the Restore, or find it, see it through, and check that the data of every volume came back.

A restore from another cluster's prefix has more on this cluster for its time (velero/loan.py); it is gone before the answer is given, and the
answer is kept for the case that nobody hears it (velero/kept.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from cloudcasa_contract.commands import RestoreOutput, RestoreRun

from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kube import JsonObject
from cloudcasa_agent.kube.resources import CONFIG_MAPS
from cloudcasa_agent.velero import loan
from cloudcasa_agent.velero.artifacts import RESTORE_KINDS, Read, Source, read_artifacts
from cloudcasa_agent.velero.build import build_restore
from cloudcasa_agent.velero.choice import left_out, needs_listing, settled
from cloudcasa_agent.velero.classes import require_classes
from cloudcasa_agent.velero.contents import backup_listing, backup_volumes
from cloudcasa_agent.velero.discovery import ensure_kinds_known
from cloudcasa_agent.velero.drive import Drive, Watched, create_or_find, find_by_command, watch_run
from cloudcasa_agent.velero.hook_read import read_restore_hooks
from cloudcasa_agent.velero.hook_restore import with_names
from cloudcasa_agent.velero.hurry_restore import hurry_restore
from cloudcasa_agent.velero.imported import is_known, make_known, read_stored
from cloudcasa_agent.velero.kept import find_kept, keep
from cloudcasa_agent.velero.outcome import expected_volumes, restore_output
from cloudcasa_agent.velero.resources import DATA_DOWNLOADS, RESTORE_NAME_LABEL, RESTORES, label_value, location_name
from cloudcasa_agent.velero.restore_rules import build_rules, modifiers_name, policy_name
from cloudcasa_agent.velero.storage import ensure_storage
from cloudcasa_agent.velero.waiting_claims import release_waiting_claims

from .context import Context

_log = get_logger("handlers")


async def run_restore(command: RestoreRun, *, context: Context) -> RestoreOutput:
    """Return the end of the restore, in whatever phase Velero ended it."""
    if not command.storage.read_only:
        return await _restore(command, context=context)
    drive, engine = context.drive(), context.engine
    if (kept := await find_kept(drive)) is not None:
        return kept
    with loan.borrowed(engine.borrowers, location_name(command.storage)):
        try:
            output = await _restore(command, context=context)
            await keep(drive, output)
        except Exception:
            await _tidy(_give_back(command, context=context))
            raise
        trouble = await _tidy(_give_back(command, context=context))
    return (
        output if not trouble else _with_warning(output, f"Not everything was removed from the cluster, it is tried again later: {trouble}")
    )


async def leave_restore(command: RestoreRun, *, context: Context) -> None:
    """Take away what a restore needed that did not begin and will not."""
    await _tidy(_drop_rules(context.drive()))
    if command.storage.read_only:
        with loan.borrowed(context.engine.borrowers, location_name(command.storage)):
            await _tidy(_give_back(command, context=context))


async def _restore(command: RestoreRun, *, context: Context) -> RestoreOutput:
    drive = context.drive()
    try:
        return await _run(command, context=context)
    finally:
        if (task := asyncio.current_task()) is not None and not task.cancelling():
            await _tidy(_drop_rules(drive))


async def _run(command: RestoreRun, *, context: Context) -> RestoreOutput:
    drive = context.drive()
    restore = await find_by_command(drive, RESTORES) or await _create(command, context=context)
    selector = f"{RESTORE_NAME_LABEL}={label_value(command.restore_name)}"
    watched = await watch_run(
        drive, RESTORES, restore, movements=DATA_DOWNLOADS, selector=selector, beside=_beside(command, drive=drive, selector=selector)
    )
    source = Source(name=command.restore_name, storage=command.storage, namespace=drive.namespace, command_id=drive.command_id)
    read = await read_artifacts(drive.client, source, kinds=RESTORE_KINDS, phase=watched.phase)
    return await _judged(command, watched, read=read, drive=drive)


async def _beside(command: RestoreRun, *, drive: Drive, selector: str) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hurry_restore(drive, selector=selector))
        tasks.create_task(release_waiting_claims(drive, restore_name=command.restore_name, selector=selector))


async def _judged(command: RestoreRun, watched: Watched, *, read: Read, drive: Drive) -> RestoreOutput:
    """Return the output, with what Velero does not call an error and is one: data and objects that did not come back."""
    mapping: dict[str, str] = watched.run["spec"].get("namespaceMapping") or {}
    backed_up, artifacts = await backup_volumes(command, drive=drive), read.artifacts
    artifacts = artifacts.model_copy(update={"errors": with_names(artifacts.errors, command.hooks)})
    if backed_up is None:
        text = "BackupVolumeInfos: not readable, so it was not checked that every volume came back."
        artifacts = artifacts.model_copy(update={"missing": (*artifacts.missing, text)})
    expected = expected_volumes(backed_up or (), command=command, mapping=mapping, listing=read.listing)
    absent = left_out(command.objects, listing=read.listing, mapping=mapping) if not artifacts.missing else ()
    output = restore_output(watched, artifacts=artifacts, expected=expected, absent=absent)
    return output.model_copy(update={"hooks": await read_restore_hooks(drive, command, watched=watched, errors=read.artifacts.errors)})


async def _create(command: RestoreRun, *, context: Context) -> JsonObject:
    drive = context.drive()
    await require_classes(drive.client, command.storage_class_map.values())
    await _prepare(command, context=context)
    if needs_listing(command):
        command = settled(command, await backup_listing(command, drive=drive))
    for item in build_rules(command, command_id=drive.command_id, namespace=drive.namespace):
        await drive.client.apply(CONFIG_MAPS, item)
    body = build_restore(command, command_id=drive.command_id, namespace=drive.namespace)
    async with context.engine.start_lock:
        await ensure_kinds_known(drive)
        return await create_or_find(drive, RESTORES, body)


async def _prepare(command: RestoreRun, *, context: Context) -> None:
    """Make store and backup known to Velero; one that it does not know is read first, so that what is wrong is said at once."""
    drive, storage = context.drive(), command.storage
    is_there = await is_known(drive.client, storage, name=command.backup_name, namespace=drive.namespace)
    stored = None if is_there else await read_stored(storage, name=command.backup_name)
    async with context.engine.storage_lock:
        await ensure_storage(drive.client, storage, namespace=drive.namespace)
        if stored is not None:
            await make_known(drive.client, stored, storage=storage, namespace=drive.namespace)


async def _give_back(command: RestoreRun, *, context: Context) -> None:
    drive, engine, location = context.drive(), context.engine, location_name(command.storage)
    await loan.drop_restore(drive.client, command.restore_name, storage=command.storage, namespace=drive.namespace)
    async with engine.storage_lock:
        others = engine.borrowers[location] - 1
        await loan.give_back(drive.client, location, namespace=drive.namespace, others=others)


async def _drop_rules(drive: Drive) -> None:
    for name in (modifiers_name(drive.command_id), policy_name(drive.command_id)):
        await drive.client.delete(CONFIG_MAPS, name=name, namespace=drive.namespace)


async def _tidy(work: Awaitable[None]) -> str:
    """Return why tidying up failed, "" when it did not: what stays is swept later and must not hide how the restore went."""
    try:
        await work
    except AgentError as error:
        _log.warning("What a restore needed stays on the cluster for now", reason=error.text)
        return error.text
    return ""


def _with_warning(output: RestoreOutput, text: str) -> RestoreOutput:
    artifacts = output.artifacts.model_copy(update={"warnings": (*output.artifacts.warnings, text)})
    return output.model_copy(update={"artifacts": artifacts, "warnings": output.warnings + 1})
