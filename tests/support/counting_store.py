"""A store that writes down which calls pass through it to the one behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from cloudcasa_server.kit.store import Collection, Index, Store


class CountingStore:
    """A Store in front of another. `calls` are "collection.method", in order."""

    def __init__(self, behind: Store) -> None:
        """Stand in front."""
        self.behind = behind
        self.calls: list[str] = []

    def collection(self, name: str, /) -> Collection:
        """Return the collection, whose calls are noted."""
        counted: Any = _CountingCollection(self.behind.collection(name), name, self.calls)
        noted: Collection = counted
        return noted

    async def sync_indexes(self, indexes: Mapping[str, Sequence[Index]], /) -> None:
        """Pass on."""
        await self.behind.sync_indexes(indexes)

    async def ping(self) -> None:
        """Pass on."""
        await self.behind.ping()

    async def close(self) -> None:
        """Pass on."""
        await self.behind.close()


class _CountingCollection:
    def __init__(self, behind: Collection, name: str, calls: list[str]) -> None:
        self._behind, self._name, self._calls = behind, name, calls

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        self._calls.append(f"{self._name}.{method}")
        found: Callable[..., Awaitable[Any]] = getattr(self._behind, method)
        return found
