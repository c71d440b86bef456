"""Listings and small objects of a store, several at once, within what an answer may hold.

What cannot be read is named with the reason; an answer that fails as a whole is a store that does not answer at all.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from cloudcasa_contract.commands import StorageRead, StorageReading
from cloudcasa_contract.commands.storage_read import MAX_ANSWER_BYTES, MAX_OBJECT_BYTES, TOO_MUCH

from cloudcasa_agent.kit.errors import AgentError

from .bucket import Bucket, open_bucket
from .errors import BucketError

PARALLEL = 16
_SECONDS = 30.0
_PAGE = 1_000
T = TypeVar("T")


@dataclass
class _Reader:
    """One answer in the making."""

    bucket: Bucket
    problems: dict[str, str] = field(default_factory=dict)
    room: int = MAX_ANSWER_BYTES
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL))

    async def each(self, names: Iterable[str], read: Callable[[str], Awaitable[T]]) -> dict[str, T]:
        """Return what could be read by name. Raises BucketError when the store does not answer."""
        wanted = tuple(dict.fromkeys(names))
        found = await asyncio.gather(*(self._one(name, read) for name in wanted))
        return {name: value for name, value in zip(wanted, found, strict=True) if value is not None}

    async def _one(self, name: str, read: Callable[[str], Awaitable[T]]) -> T | None:
        async with self._slots:
            try:
                return await read(name)
            except BucketError as error:
                if error.code == "unreachable":
                    raise
                if not error.is_missing:
                    self.problems[name] = error.text
            except AgentError as error:
                self.problems[name] = error.text
        return None

    async def object(self, key: str) -> str:
        """Return an object in base64, if there is room for it."""
        body = await self.bucket.get(key, max_bytes=MAX_OBJECT_BYTES)
        if len(body) > self.room:
            raise AgentError(TOO_MUCH)
        self.room -= len(body)
        return base64.b64encode(body).decode()

    async def page(self, prefix: str) -> tuple[str, ...]:
        """Return the first page of keys."""
        return await self.bucket.keys(prefix, limit=_PAGE)


async def read_storage(command: StorageRead, /) -> StorageReading:
    """Return what could be read. Raises BucketError when the store cannot be reached."""
    async with open_bucket(command.storage, seconds=_SECONDS) as bucket:
        reader = _Reader(bucket)
        return StorageReading(
            folders=await reader.each(command.folders, bucket.folders),
            listings=await reader.each(command.listings, reader.page),
            objects=await reader.each(command.objects, reader.object),
            problems=reader.problems,
        )
