"""What Velero wrote about a run: log, results, volumes, resources.

Read by the agent, since only it is sure to reach the bucket: directly, else through DownloadRequests. The four are fetched at once. What
cannot be read is named in `missing` with the reason and never reported as empty.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
from cloudcasa_contract.commands import Artifacts, StorageTarget
from cloudcasa_contract.states import VeleroPhase
from cloudcasa_contract.velero import (
    Listed,
    TooLargeError,
    read_listing,
    read_resources,
    read_results,
    read_volumes,
    unpack,
    unpacked_parts,
)
from yarl import URL

from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kube import EventKind, KubeClient

from .bucket import MAX_BYTES, artifact_key, open_bucket, read_body, tls
from .build import build_download_request
from .hook_log import HookLines, without_commands
from .kinds import kind_id
from .resources import DOWNLOAD_REQUESTS, command_selector

LOG_BYTES = 256 * 1024
_URL_SECONDS = 20.0
_FETCH_SECONDS = 60.0
_CONNECT_SECONDS = 5.0
_HTTP_OK = 200
_LOOKING = b'msg="Getting items for resource"'
_LOOKED_AT = re.compile(rb' group="?(?:(?P<group>[^/\s"]+)/)?v[^/\s"]+"? .*\bresource=(?P<plural>\S+)')
_log = get_logger("velero")
T = TypeVar("T")


@dataclass(frozen=True)
class Kinds:
    """The DownloadRequest kinds of the four artifacts."""

    log: str
    results: str
    volumes: str
    resources: str

    def all(self) -> tuple[str, ...]:
        """Return the four."""
        return self.log, self.results, self.volumes, self.resources


BACKUP_KINDS = Kinds("BackupLog", "BackupResults", "BackupVolumeInfos", "BackupResourceList")
RESTORE_KINDS = Kinds("RestoreLog", "RestoreResults", "RestoreVolumeInfo", "RestoreResourceList")


@dataclass(frozen=True)
class Source:
    """Where the artifacts of one run are, and for which command they are read."""

    name: str
    storage: StorageTarget
    namespace: str
    command_id: str


@dataclass(frozen=True)
class Read:
    """What was read of a run."""

    artifacts: Artifacts
    looked_at: frozenset[str] = frozenset()
    """The kinds that a backup looked at, as `<plural>.<group>`, by its log."""
    hooks: HookLines = field(default_factory=HookLines)
    pods: frozenset[str] | None = None
    """The pods that it took or made, as namespace/name; None when that could not be read."""
    listing: tuple[Listed, ...] = ()
    """Every object, of a restore with what became of it."""


async def read_artifacts(client: KubeClient, source: Source, *, kinds: Kinds, phase: str) -> Read:
    """Return what could be read of the four artifacts, and name the rest; Velero writes none for a run that it refused."""
    if phase == VeleroPhase.FAILED_VALIDATION:
        return Read(Artifacts(missing=("Velero refused the run and wrote nothing about it.",)))
    raw, missing = await download(client, source, kinds=kinds.all())
    failures = dict(missing)
    errors, warnings = _parsed(kinds.results, raw, failures, read_results) or ((), ())
    hooks = HookLines()
    try:
        log, looked_at = await asyncio.to_thread(read_log, raw.get(kinds.log, b""), hooks=hooks)
    except zlib.error:
        log, looked_at = b"", frozenset()
        failures[kinds.log] = "It is broken."
    artifacts = Artifacts(
        log=without_commands(_whole_lines(log)).decode(errors="replace"),
        is_log_cut=len(log) > LOG_BYTES,
        errors=errors,
        warnings=warnings,
        volumes=_parsed(kinds.volumes, raw, failures, read_volumes) or (),
        resources=_parsed(kinds.resources, raw, failures, read_resources) or {},
        missing=tuple(f"{kind}: {reason}" for kind, reason in failures.items()),
    )
    return Read(
        artifacts,
        looked_at=looked_at,
        hooks=hooks,
        pods=_parsed(kinds.resources, raw, {}, read_pods),
        listing=_parsed(kinds.resources, raw, {}, read_listing) or (),
    )


async def download(client: KubeClient, source: Source, *, kinds: tuple[str, ...]) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the artifacts by kind, unpacked but for the log, and the reasons for those that could not be read."""
    raw, refused = await _read_all(source, kinds=kinds)
    if not refused:
        return raw, {}
    _log.info("Asking Velero for artifacts", name=source.name, reasons=refused)
    asked, missing = await _ask_velero(client, source, kinds=tuple(refused))
    return raw | asked, missing


async def _ask_velero(client: KubeClient, source: Source, *, kinds: tuple[str, ...]) -> tuple[dict[str, bytes], dict[str, str]]:
    attempt = uuid.uuid4().hex[:6]
    names = {f"cc-{source.command_id}-{attempt}-{kind.lower()}": kind for kind in kinds}
    try:
        urls = await _urls(client, source, names=names)
        raw, missing = await _fetch_all(urls, storage=source.storage)
    except AgentError as error:
        return {}, dict.fromkeys(kinds, error.text)
    finally:
        await _clean(client, source, names=names)
    return raw, missing | dict.fromkeys((kind for kind in kinds if kind not in urls), "Velero gave no address for it in time.")


async def _urls(client: KubeClient, source: Source, *, names: Mapping[str, str]) -> dict[str, str]:
    bodies = [
        build_download_request(kind=kind, target=source.name, name=name, namespace=source.namespace, command_id=source.command_id)
        for name, kind in names.items()
    ]
    await asyncio.gather(*(client.create(DOWNLOAD_REQUESTS, body) for body in bodies))
    found: dict[str, str] = {}
    try:
        async with asyncio.timeout(_URL_SECONDS):
            async for event in client.follow(
                DOWNLOAD_REQUESTS, namespace=source.namespace, label_selector=command_selector(source.command_id)
            ):
                url = (event.object.get("status") or {}).get("downloadURL", "")
                if event.kind is EventKind.CHANGED and url and event.object["metadata"]["name"] in names:
                    found[names[event.object["metadata"]["name"]]] = url
                if len(found) == len(names):
                    break
    except TimeoutError:
        pass
    return found


async def _clean(client: KubeClient, source: Source, *, names: Iterable[str]) -> None:
    try:
        await asyncio.gather(*(client.delete(DOWNLOAD_REQUESTS, name=name, namespace=source.namespace) for name in names))
    except AgentError as error:
        _log.warning("Download requests stay until Velero drops them", reason=error.text)


async def _read_all(source: Source, *, kinds: tuple[str, ...]) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return what could be read from the bucket by kind, and the reasons for the rest."""
    try:
        async with open_bucket(source.storage) as bucket:
            reads = (_unpacked(bucket.get(artifact_key(kind, name=source.name)), kind=kind) for kind in kinds)
            return _sorted_out(kinds, await asyncio.gather(*reads, return_exceptions=True))
    except AgentError as error:
        return {}, dict.fromkeys(kinds, error.text)


async def _fetch_all(urls: Mapping[str, str], *, storage: StorageTarget) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return what could be fetched from signed addresses by kind, and the reasons for the rest."""
    try:
        connector = aiohttp.TCPConnector(ssl=tls(storage))
    except (OSError, ValueError):
        return {}, dict.fromkeys(urls, "The CA certificate of the object store could not be read.")
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS, sock_connect=_CONNECT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
        fetches = (_unpacked(_fetch(session, url), kind=kind) for kind, url in urls.items())
        return _sorted_out(tuple(urls), await asyncio.gather(*fetches, return_exceptions=True))


def _sorted_out(kinds: tuple[str, ...], results: list[bytes | BaseException]) -> tuple[dict[str, bytes], dict[str, str]]:
    found: dict[str, bytes] = {}
    missing: dict[str, str] = {}
    for kind, result in zip(kinds, results, strict=True):
        if isinstance(result, bytes):
            found[kind] = result
        elif isinstance(result, (AgentError, aiohttp.ClientError, OSError, TimeoutError, ValueError, zlib.error)):
            missing[kind] = result.text if isinstance(result, AgentError) else f"It could not be downloaded ({type(result).__name__})."
        else:
            raise result
    return found, missing


async def _fetch(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(URL(url, encoded=True)) as response:
        if response.status != _HTTP_OK:
            raise AgentError(f"The object store answered {response.status}.")
        return await read_body(response, max_bytes=MAX_BYTES)


async def _unpacked(reading: Awaitable[bytes], *, kind: str) -> bytes:
    packed = await reading
    try:
        return packed if kind.endswith("Log") else await asyncio.to_thread(unpack, packed)
    except TooLargeError as error:
        raise AgentError(str(error)) from error


def read_log(packed: bytes, /, *, hooks: HookLines | None = None) -> tuple[bytes, frozenset[str]]:
    """Return the end of a log and the kinds that it says were looked at, never holding more: it may be far larger than the memory."""
    end, rest, looked_at, about_hooks = bytearray(), b"", set[str](), hooks or HookLines()
    for part in unpacked_parts(packed):
        end += part
        del end[: -LOG_BYTES - 1]
        *lines, rest = (rest + part).split(b"\n")
        found = (_LOOKED_AT.search(line) for line in lines if _LOOKING in line)
        for line in lines:
            about_hooks.take(line)
        looked_at |= {kind_id(plural=match["plural"].decode(), group=(match["group"] or b"").decode()) for match in found if match}
    return bytes(end), frozenset(looked_at)


def _whole_lines(log: bytes) -> bytes:
    """Return the end of a log, without the rest of a line that was cut: it may be of a command."""
    return log if len(log) <= LOG_BYTES else log[-LOG_BYTES:].partition(b"\n")[2]


def _parsed(kind: str, raw: Mapping[str, bytes], failures: dict[str, str], read: Callable[[Any], T]) -> T | None:
    if kind not in raw:
        return None
    try:
        return read(json.loads(raw[kind]))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        failures[kind] = f"It was not understood ({type(error).__name__})."
        return None


def read_pods(raw: Any, /) -> frozenset[str]:
    """Return the names of the pods."""
    return frozenset(map(str, raw.get("v1/Pod") or []))
