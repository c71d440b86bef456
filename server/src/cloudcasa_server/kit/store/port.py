"""The port to the database: what rooms may ask of it, and no more. Adapters: mongo, sqlite; both pass tests/support/store_suite.py.

Only what a MongoDB-compatible database has: single-document atomicity, compare-and-set, ordinary indexes. `_id` and references are
24-hex strings. Documents are plain JSON values (dict, list, str, int, float, bool, None), datetimes are stored as integers or RFC 1123 text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .query import ALL, Query

Document = dict[str, Any]
Sort = Sequence[tuple[str, int]]
"""(path, 1 | -1), most important first. Ties are broken by _id."""


@dataclass(frozen=True, slots=True)
class Update:
    """A change of one document, applied atomically. Paths are dotted; missing parents of `set` paths are made."""

    set: Mapping[str, Any] = field(default_factory=dict)
    unset: Sequence[str] = ()
    increment: Mapping[str, int] = field(default_factory=dict)
    push: Mapping[str, Any] = field(default_factory=dict)
    """Append one value to the array at the path (made when missing)."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index of a collection, declared beside the resource. `unique` treats a missing field as null.

    A list query is served by equality on the first keys and its sort on the next; the adapters add the _id, which breaks ties, themselves.
    """

    name: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    covers: tuple[str, ...] = ()
    """Further paths that such queries filter by: kept in the index too, so that counting reads no documents."""

    @property
    def stored_keys(self) -> tuple[tuple[str, int], ...]:
        """Return the keys as a database has them."""
        if self.unique or any(path == "_id" for path, _ in self.keys):
            return self.keys
        return (*self.keys, ("_id", 1), *((path, 1) for path in self.covers))


class Collection(Protocol):
    """One kind of document."""

    async def get(self, document_id: str, /) -> Document | None:
        """Return the document or None."""

    async def find(
        self, query: Query = ALL, *, sort: Sort = (), skip: int = 0, limit: int = 0, projection: Mapping[str, bool] | None = None
    ) -> list[Document]:
        """Return matching documents; `limit` 0 means all. `projection` maps paths all to True (only these) or all to
        False (without these); _id always comes.
        """

    async def count(self, query: Query = ALL) -> int:
        """Return how many match."""

    async def insert(self, document: Mapping[str, Any], /) -> None:
        """Store a new document, which has its _id. Raises DuplicateKeyError naming the index."""

    async def update(self, document_id: str, change: Update, *, expected: Query = ALL) -> Document | None:
        """Change the document if it still matches `expected` (compare-and-set); return it as it is after, or None when it is
        missing or differs. Raises DuplicateKeyError.
        """

    async def replace(self, document: Mapping[str, Any], *, expected: Query = ALL) -> bool:
        """Replace the document with the same _id if it still matches `expected`. Raises DuplicateKeyError."""

    async def update_many(self, query: Query, change: Update) -> int:
        """Change every matching document, each atomically; return how many."""

    async def claim(self, query: Query, change: Update, *, sort: Sort = ()) -> Document | None:
        """Atomically change the first match and return it as it is after; no two callers get the same one, provided `change` makes it no longer match."""

    async def delete(self, document_id: str, *, expected: Query = ALL) -> bool:
        """Delete the document if it still matches; tell whether it was there and did."""

    async def delete_many(self, query: Query, /) -> int:
        """Delete every match; return how many."""


class Store(Protocol):
    """A database."""

    def collection(self, name: str, /) -> Collection:
        """Return the collection; it need not exist yet."""

    async def sync_indexes(self, indexes: Mapping[str, Sequence[Index]], /) -> None:
        """Make the declared indexes of each collection, and drop those of ours that are no longer declared. Safe with several replicas at once."""

    async def ping(self) -> None:
        """Return when the database answers. Raises StoreUnavailableError."""

    async def close(self) -> None:
        """Let go of every connection."""


class StoreError(Exception):
    """The root of what a store raises."""


class DuplicateKeyError(StoreError):
    """A unique index refused a document. `index` is its declared name, or empty when the database does not say."""

    def __init__(self, index: str) -> None:
        """Remember which index refused."""
        super().__init__(f"unique index {index}")
        self.index = index


class StoreUnavailableError(StoreError):
    """The database cannot be reached now; the request may be tried again."""

    def __init__(self, text: str, *, is_lasting: bool = False) -> None:
        """Remember whether it will stay so until somebody mends it: a file without permission, not a network that is down."""
        super().__init__(text)
        self.is_lasting = is_lasting
