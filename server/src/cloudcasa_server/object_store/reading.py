"""Reading the metadata of backups in a store that this server reaches itself: listings and small objects, never the data of volumes.

The same questions go to an agent, as the command `storage.read`, where only a cluster reaches the store; the answer has one form.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from cloudcasa_contract.commands import StorageReading
from cloudcasa_contract.commands.storage_read import MAX_ANSWER_BYTES, MAX_OBJECT_BYTES, TOO_MUCH

PARALLEL = 8
"""Requests at a time for one reading: as many as the clients keep connections for."""
_TOO_LARGE = "It is too large to be read."
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """What is to be read, by keys below the store's own prefix."""

    folders: tuple[str, ...] = ()
    """Prefixes that end in a slash, or are empty: the names of what lies directly below them."""
    listings: tuple[str, ...] = ()
    """Prefixes: the keys that begin so, as many as one page holds."""
    objects: tuple[str, ...] = ()


class Reader(Protocol):
    """An open store. Every method blocks, and raises ProbeError when the store refuses or cannot be reached."""

    def folders(self, prefix: str, /) -> tuple[str, ...]:
        """Return the names of what lies directly below a prefix and has something below itself."""

    def keys(self, prefix: str, /) -> tuple[str, ...]:
        """Return one page of the keys that begin so."""

    def get(self, key: str, /, *, max_bytes: int) -> bytes | None:
        """Return an object, None when there is none; of one that is larger, more than `max_bytes` bytes."""


class Readable(Protocol):
    """A store that can be opened: the targets of providers/."""

    def reader(self) -> AbstractContextManager[Reader]:
        """Open it. Raises ProbeError."""


async def read(target: Readable, ask: Ask, /) -> StorageReading:
    """Return what was asked for. Raises ProbeError."""
    return await asyncio.to_thread(_read, target, ask)


def _read(target: Readable, ask: Ask) -> StorageReading:
    with target.reader() as reader, ThreadPoolExecutor(PARALLEL, thread_name_prefix="read") as threads:

        def each(names: Iterable[str], one: Callable[[str], T]) -> dict[str, T]:
            wanted = tuple(dict.fromkeys(names))
            return dict(zip(wanted, threads.map(one, wanted), strict=True))

        found = each(ask.objects, lambda key: reader.get(key, max_bytes=MAX_OBJECT_BYTES))
        packed = _Packed()
        for key, body in found.items():
            packed.add(key, body)
        return StorageReading(
            folders=each(ask.folders, reader.folders),
            listings=each(ask.listings, reader.keys),
            objects=packed.objects,
            problems=packed.problems,
        )


@dataclass
class _Packed:
    """Objects as they fit into one answer."""

    room: int = MAX_ANSWER_BYTES
    objects: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, body: bytes | None) -> None:
        """Take an object in, or say why not."""
        if body is None:
            return
        if len(body) > MAX_OBJECT_BYTES or len(body) > self.room:
            self.problems[key] = _TOO_LARGE if len(body) > MAX_OBJECT_BYTES else TOO_MUCH
            return
        self.room -= len(body)
        self.objects[key] = base64.b64encode(body).decode()
