"""What a backup holds, as a restore needs to know it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from cloudcasa_contract.commands import RestoreRun, VolumeResult
from cloudcasa_contract.velero import Listed, read_listing, read_volumes

from .artifacts import BACKUP_KINDS, Source, download
from .drive import Drive
from .errors import ListingUnreadableError

T = TypeVar("T")


async def backup_volumes(command: RestoreRun, *, drive: Drive) -> tuple[VolumeResult, ...] | None:
    """Return the volumes of the backup, None when they cannot be read."""
    return await _read(command, drive=drive, kind=BACKUP_KINDS.volumes, parse=read_volumes)


async def backup_listing(command: RestoreRun, *, drive: Drive) -> tuple[Listed, ...]:
    """Return every object of the backup. Raises ListingUnreadableError."""
    listing = await _read(command, drive=drive, kind=BACKUP_KINDS.resources, parse=read_listing)
    if listing is None:
        text = f'Cannot read from object store "{command.storage.name}" which objects backup "{command.backup_name}" holds.'
        raise ListingUnreadableError(text)
    return listing


async def _read(command: RestoreRun, *, drive: Drive, kind: str, parse: Callable[[Any], T]) -> T | None:
    source = Source(name=command.backup_name, storage=command.storage, namespace=drive.namespace, command_id=drive.command_id)
    raw, _ = await download(drive.client, source, kinds=(kind,))
    try:
        return parse(json.loads(raw[kind]))
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
