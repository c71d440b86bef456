"""The BackupStorageLocation of a store: made, kept up to date, and known to answer before a backup is started on it.

An unchanged location that is Available costs two reads. A changed one is checked again at once: with `lastValidationTime` taken away,
Velero validates it at the next tick, or immediately when the spec changed. Its phase stays meanwhile: Velero refuses runs on a location
that is not Available, and keys that are replaced must not stop what starts in that moment. Both objects carry the store's revision, so
that a command that comes late does not bring old keys back, and what somebody changed by hand is told from what the server changed.
Source: velero v1.18.3 backup_storage_location_controller.go.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cloudcasa_contract.commands import StorageTarget

from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kube import EventKind, JsonObject, KubeClient
from cloudcasa_agent.kube.resources import SECRETS

from .build import REVISION, build_storage_location, build_storage_secret
from .errors import StorageUnreachableError
from .resources import STORAGE_LOCATIONS

_VALIDATION_SECONDS = 45.0
_log = get_logger("velero")


@dataclass(frozen=True)
class Ensured:
    """What a location is now."""

    revision: int
    repaired: tuple[str, ...] = ()
    """What somebody had changed by hand, as sentences."""


@dataclass(frozen=True)
class _Pair:
    """A location and its Secret, as they are wanted or as they are in the cluster."""

    secret: JsonObject | None
    location: JsonObject | None

    @property
    def revision(self) -> int:
        """Return the higher one, -1 when nothing says any."""
        return max(_revision(self.secret), _revision(self.location))


async def ensure_storage(client: KubeClient, target: StorageTarget, *, namespace: str) -> Ensured:
    """Make the store usable for Velero, or raise StorageUnreachableError with Velero's own message."""
    secret, location = build_storage_secret(target, namespace=namespace), build_storage_location(target, namespace=namespace)
    name = location["metadata"]["name"]
    have = await _read(client, name=name, namespace=namespace)
    if have.revision > target.revision and have.secret and have.location:
        _log.info("Storage location is newer than the command", location=name, have=have.revision, told=target.revision)
        await _wait_available(client, target, name=name, namespace=namespace)
        return Ensured(have.revision)
    is_same_secret, is_same = is_as_built(have.secret, secret, part="data"), is_as_built(have.location, location, part="spec")
    if is_same and is_same_secret and _is_available(have.location or {}):
        return Ensured(target.revision)
    repaired = changed_by_hand(have, want=_Pair(secret, location))
    if not is_same_secret:
        await client.apply(SECRETS, secret)
    if have.location is not None:
        await client.patch(STORAGE_LOCATIONS, {"status": {"lastValidationTime": None}}, name=name, namespace=namespace)
    if not is_same:
        await client.apply(STORAGE_LOCATIONS, location)
    _log.info("Storage location applied", location=name, is_new=have.location is None, revision=target.revision, repaired=repaired)
    await _wait_available(client, target, name=name, namespace=namespace)
    return Ensured(target.revision, repaired)


async def _read(client: KubeClient, *, name: str, namespace: str) -> _Pair:
    return _Pair(
        *await asyncio.gather(
            client.find(SECRETS, name=name, namespace=namespace), client.find(STORAGE_LOCATIONS, name=name, namespace=namespace)
        )
    )


def is_as_built(have: JsonObject | None, want: JsonObject, *, part: str) -> bool:
    """Tell whether everything that we set is set so; what Velero adds by itself does not count."""
    return have is not None and _revision(have) == _revision(want) and not _differences(have, want, part=part)


def changed_by_hand(have: _Pair, *, want: _Pair) -> tuple[str, ...]:
    """Return what differs from what this very revision said: not the server has changed it."""
    if have.location is None or want.secret is None or want.location is None or have.revision != want.revision:
        return ()
    name = want.location["metadata"]["name"]
    found = [f'BackupStorageLocation "{name}": {key}' for key in _differences(have.location, want.location, part="spec")]
    if have.secret is None:
        found.append(f'Secret "{name}": it was deleted')
    elif _differences(have.secret, want.secret, part="data"):
        found.append(f'Secret "{name}": the credential')
    return tuple(found)


def _differences(have: JsonObject, want: JsonObject, *, part: str) -> list[str]:
    there = have.get(part) or {}
    return [f"{part}.{key}" for key, value in want[part].items() if there.get(key) != value]


def _revision(item: JsonObject | None) -> int:
    text = ((item or {}).get("metadata", {}).get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdecimal() else -1


async def _wait_available(client: KubeClient, target: StorageTarget, *, name: str, namespace: str) -> None:
    message = "Velero has not checked it."
    try:
        async with asyncio.timeout(_VALIDATION_SECONDS):
            async for event in client.follow(STORAGE_LOCATIONS, namespace=namespace, name=name):
                if event.kind is not EventKind.CHANGED or not (event.object.get("status") or {}).get("lastValidationTime"):
                    continue
                if _is_available(event.object):
                    return
                message = event.object["status"].get("message", "") or "Velero gave no reason."
                break
    except TimeoutError:
        pass
    text = f'Cannot use object store "{target.name}" (bucket "{target.bucket}" at {target.endpoint}): {message}'
    raise StorageUnreachableError(text)


def _is_available(location: JsonObject) -> bool:
    status = location.get("status") or {}
    return status.get("phase") == "Available" and bool(status.get("lastValidationTime"))
