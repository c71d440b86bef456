"""The MongoDB adapter, on PyMongo's AsyncMongoClient: the database for production. The only module that may import pymongo.

It asks only for what a compatible database has too (FerretDB v2): single-document writes, find_one_and_update, ordinary indexes. Every call
has a deadline (timeoutMS), and PyMongo's exceptions are translated here. Source: PyMongo documentation, "Client Side Operation Timeout".
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import pymongo
from bson.errors import InvalidDocument
from pymongo import AsyncMongoClient, ReturnDocument
from pymongo import errors as mongo_errors
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from .gathered import Gathered
from .port import Collection, Document, DuplicateKeyError, Index, Sort, StoreError, StoreUnavailableError, Update
from .query import ALL, And, Compare, ElemMatch, Exists, In, Not, Or, Prefix, Query, Size

CALL_SECONDS = 5.0
"""Deadline of one call. PyMongo tries again until it is over, also when nobody listens at the address."""
AWAY_SECONDS = 1.0
"""The same after a call that failed, until one succeeds: a request needs several, and answers before Terraform's client gives up after 10 s
(rest-api.md 1.11)."""
PING_SECONDS = 3
"""Deadline of asking whether the database is there: whoever asks wants to know soon."""
INDEX_SECONDS = 3_600
"""Deadline of making indexes at start: one over millions of documents takes minutes."""
DEFAULT_DATABASE = "cloudcasa"
INDEX_PREFIX = "cc_"

Filter = dict[str, Any]
T = TypeVar("T")


class MongoStore:
    """A Store in a MongoDB-compatible database."""

    def __init__(self, url: str) -> None:
        """Remember where; the client connects by itself."""
        self._client: AsyncMongoClient[Document] = AsyncMongoClient(
            url,
            timeoutMS=int(1000 * CALL_SECONDS),
            serverSelectionTimeoutMS=int(1000 * CALL_SECONDS),
            connectTimeoutMS=2_000,
            tz_aware=True,
            appname="cloudcasa",
        )
        self._database: AsyncDatabase[Document] = self._client.get_default_database(DEFAULT_DATABASE)
        self._collections: dict[str, MongoCollection] = {}
        self._calls = Calls()

    def collection(self, name: str, /) -> Collection:
        """Return the collection; it need not exist yet."""
        if name not in self._collections:
            self._collections[name] = MongoCollection(self._database[name], self._calls)
        return self._collections[name]

    async def sync_indexes(self, indexes: Mapping[str, Sequence[Index]], /) -> None:
        """Make the declared indexes and drop ours that are no longer declared. Indexes of others are left alone."""
        with pymongo.timeout(INDEX_SECONDS):
            for name, declared in indexes.items():
                await _sync(self._database[name], declared)

    async def ping(self) -> None:
        """Return when the database answers."""
        with pymongo.timeout(PING_SECONDS):
            await _call(self._client.admin.command("ping"))

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()


class Calls:
    """Makes calls under a deadline that is short while the database is away."""

    def __init__(self) -> None:
        """Believe that it is there."""
        self._is_away = False

    async def make(self, call: Awaitable[T], /) -> T:
        """Return what the call returns. Raises the port's errors."""
        try:
            with pymongo.timeout(AWAY_SECONDS if self._is_away else CALL_SECONDS):
                result = await _call(call)
        except StoreError as e:
            self._is_away = isinstance(e, StoreUnavailableError)
            raise
        self._is_away = False
        return result


class MongoCollection:
    """One collection."""

    def __init__(self, collection: AsyncCollection[Document], calls: Calls) -> None:
        """Remember which."""
        self._collection = collection
        self._call = calls.make
        self._gathered = Gathered(self._fetch)

    async def get(self, document_id: str, /) -> Document | None:
        """Return the document or None."""
        return await self._gathered.get(document_id)

    async def _fetch(self, ids: Sequence[str]) -> list[Document]:
        if len(ids) > 1:
            return await self.find(In("_id", tuple(ids)))
        found = await self._call(self._collection.find_one({"_id": ids[0]}))
        return [] if found is None else [found]

    async def find(
        self, query: Query = ALL, *, sort: Sort = (), skip: int = 0, limit: int = 0, projection: Mapping[str, bool] | None = None
    ) -> list[Document]:
        """Return matching documents; see the port."""
        wanted = {path: int(keep) for path, keep in (projection or {}).items() if keep or path != "_id"} or None
        cursor = self._collection.find(as_filter(query), wanted, sort=_sort(sort), skip=skip, limit=limit)
        async with cursor:
            return await self._call(cursor.to_list())

    async def count(self, query: Query = ALL) -> int:
        """Return how many match."""
        return await self._call(self._collection.count_documents(as_filter(query)))

    async def insert(self, document: Mapping[str, Any], /) -> None:
        """Store a new document."""
        await self._call(self._collection.insert_one(dict(document)))

    async def update(self, document_id: str, change: Update, *, expected: Query = ALL) -> Document | None:
        """Change the document if it still matches; see the port."""
        return await self._change(And((Compare("_id", "eq", document_id), expected)), change, ())

    async def replace(self, document: Mapping[str, Any], *, expected: Query = ALL) -> bool:
        """Replace the document if it still matches; see the port."""
        query = And((Compare("_id", "eq", document["_id"]), expected))
        return (await self._call(self._collection.replace_one(as_filter(query), dict(document)))).matched_count == 1

    async def update_many(self, query: Query, change: Update) -> int:
        """Change every match; see the port."""
        update = as_update(change)
        if not update:
            return await self.count(query)
        return (await self._call(self._collection.update_many(as_filter(query), update))).matched_count

    async def claim(self, query: Query, change: Update, *, sort: Sort = ()) -> Document | None:
        """Change the first match; see the port."""
        return await self._change(query, change, sort)

    async def _change(self, query: Query, change: Update, sort: Sort) -> Document | None:
        update = as_update(change)
        if not update:
            return await self._call(self._collection.find_one(as_filter(query), sort=_sort(sort)))
        return await self._call(
            self._collection.find_one_and_update(as_filter(query), update, sort=_sort(sort), return_document=ReturnDocument.AFTER)
        )

    async def delete(self, document_id: str, *, expected: Query = ALL) -> bool:
        """Delete the document if it still matches; see the port."""
        query = And((Compare("_id", "eq", document_id), expected))
        return (await self._call(self._collection.delete_one(as_filter(query)))).deleted_count == 1

    async def delete_many(self, query: Query, /) -> int:
        """Delete every match; see the port."""
        return (await self._call(self._collection.delete_many(as_filter(query)))).deleted_count


def as_filter(query: Query) -> Filter:
    """Return the filter in MongoDB's own language. The tree comes from our code or the allow-list, so `$` here is always ours."""
    match query:
        case And(()):
            return {}
        case Or(()):
            return {"_id": {"$in": []}}
        case And(parts):
            return as_filter(parts[0]) if len(parts) == 1 else {"$and": [as_filter(part) for part in parts]}
        case Or(parts):
            return {"$or": [as_filter(part) for part in parts]}
        case Not(part):
            return {"$nor": [as_filter(part)]}
        case _:
            return {query.path: _condition(query)}


def _condition(query: Compare | In | Exists | Size | ElemMatch | Prefix) -> Filter:
    match query:
        case Compare(_, op, value):
            return {f"${op}": value}
        case In(_, values):
            return {"$in": list(values)}
        case Exists(_, present):
            return {"$exists": present}
        case Size(_, length):
            return {"$size": length}
        case ElemMatch(_, inner):
            return {"$elemMatch": _element(inner)}
        case Prefix(_, text):
            return {"$regex": f"^{re.escape(text)}"}


def _element(query: Query) -> Filter:
    """Return what $elemMatch holds: conditions on the element itself (path "") have no field name."""
    parts = query.parts if isinstance(query, And) else (query,)
    bare = [part for part in parts if isinstance(part, Compare | In | Size | Prefix) and not part.path]
    if len(parts) == 1 and isinstance(query, Not) and isinstance(query.part, In) and not query.part.path:
        return {"$nin": list(query.part.values)}
    if not bare:
        return as_filter(query)
    if len(bare) != len(parts):
        raise StoreError("An element is compared either itself or by its fields.")
    return {operator: value for part in bare for operator, value in _condition(part).items()}


def as_update(change: Update) -> Filter:
    """Return the update document, without empty operators."""
    operators = {
        "$set": dict(change.set),
        "$unset": dict.fromkeys(change.unset, ""),
        "$inc": dict(change.increment),
        "$push": dict(change.push),
    }
    return {operator: fields for operator, fields in operators.items() if fields}


def _sort(sort: Sort) -> list[tuple[str, int]]:
    named = {path for path, _ in sort}
    return [*sort, *([] if "_id" in named else [("_id", 1)])]


async def _sync(collection: AsyncCollection[Document], declared: Sequence[Index]) -> None:
    wanted = {f"{INDEX_PREFIX}{index.name}": index for index in declared}
    have = {name: about for name, about in (await _call(collection.index_information())).items() if name.startswith(INDEX_PREFIX)}
    for name, about in have.items():
        if name not in wanted or not _is_same(about, wanted[name]):
            await _drop(collection, name)
    for name, index in wanted.items():
        await _call(collection.create_index(list(index.stored_keys), name=name, unique=index.unique))


def _is_same(about: Mapping[str, Any], index: Index) -> bool:
    keys: Iterable[tuple[str, Any]] = about["key"]
    return [(path, int(direction)) for path, direction in keys] == list(index.stored_keys) and bool(about.get("unique")) == index.unique


async def _drop(collection: AsyncCollection[Document], name: str) -> None:
    """Drop an index; another replica may have done so already."""
    with _translating():
        try:
            await collection.drop_index(name)
        except mongo_errors.OperationFailure as e:
            if "not found" not in str(e).lower():
                raise


async def _call(call: Awaitable[T]) -> T:
    with _translating():
        return await call


@contextmanager
def _translating() -> Iterator[None]:
    """Turn PyMongo's exceptions into the port's. Their texts may name hosts, never credentials: PyMongo leaves those out."""
    try:
        yield
    except mongo_errors.DuplicateKeyError as e:
        raise DuplicateKeyError(_refusing_index(e)) from e
    except (mongo_errors.WriteError, mongo_errors.DocumentTooLarge, InvalidDocument) as e:
        raise StoreError(f"The database refused a write: {e}") from e
    except mongo_errors.OperationFailure as e:
        if "violates exclusion constraint" in str(e):  # FerretDB v2 on updates; it does not say which index (seen with 2.7.0, 2026-11-23)
            raise DuplicateKeyError("") from e
        raise (StoreUnavailableError if e.code in _AWAY or e.timeout else StoreError)(f"The database refused a call: {e}") from e
    except (mongo_errors.PyMongoError, OSError) as e:
        raise StoreUnavailableError(f"The database cannot be reached: {_short(e)}") from e


def _short(error: Exception) -> str:
    """Return what PyMongo says, without the state of its topology, which is a screen long."""
    return re.split(r" \(configured timeouts|, Timeout: |, Topology Description: ", str(error))[0]


_AWAY = frozenset({1, 6, 7, 13, 18, 50, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
"""Server error codes that mean "not now": trouble inside (FerretDB without its PostgreSQL), unreachable hosts, no primary, shutting down,
authentication being changed, time limit."""


def _refusing_index(error: mongo_errors.DuplicateKeyError) -> str:
    """Return the declared name from MongoDB's "index: cc_name dup key" or FerretDB's "Index 'cc_name'"."""
    found = re.search(r"[iI]ndex:? '?([\w.$-]+)", str((error.details or {}).get("errmsg", error)))
    name = found[1].rpartition("$")[2] if found else ""
    return "_id" if name == "_id_" else name.removeprefix(INDEX_PREFIX)
