"""The sqlite adapter: one file, one table per collection, documents as JSON text. The embedded default, and what unit tests run on.

SQL does the finding (sqlite_sql.py), declared indexes are indexes on the same expressions (sqlite_indexes.py).
Writes go through one thread, each in BEGIN IMMEDIATE, so a second process on the same file is safe too. Durability over speed: this
is backup software, so synchronous=FULL (https://www.sqlite.org/pragma.html#pragma_synchronous: NORMAL in WAL may lose the last commits).
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson

from .evaluate import Predicate, changed, matches, project
from .port import Collection, Document, DuplicateKeyError, Index, Sort, StoreError, StoreUnavailableError, Update
from .query import ALL, Query
from .sqlite_indexes import covering, has_array, indexed_paths, sync_indexes
from .sqlite_sql import Clause, compile_query, order_of, paths_of

READERS = 4
"""Threads that read at the same time; two cores do not profit from more."""
BUSY_TIMEOUT_SECONDS = 5.0
"""How long to wait for another process that writes to the same file."""

READ_SECONDS = 8.0
"""Deadline of one read: below the 10 s after which Terraform's client gives up (rest-api.md 1.11)."""

_PROGRESS_STEPS = 20_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")

P = ParamSpec("P")
T = TypeVar("T")


class _Connection:
    """One thread's connection, with the predicates of the statement that runs."""

    def __init__(self, path: Path, synchronous: str) -> None:
        """Open the file, which is made when missing."""
        self.predicates: list[Predicate] = []
        self.sql = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, cached_statements=256, check_same_thread=False)
        self.sql.execute("PRAGMA journal_mode=WAL")
        self.sql.execute(f"PRAGMA synchronous={synchronous}")
        self.sql.execute("PRAGMA cache_size=-16000")
        self.sql.create_function("cc_match", 2, self._match)
        self.tables: set[str] = set()

    def _match(self, body: str, number: int) -> bool:
        return self.predicates[number](orjson.loads(body))

    def run(self, statement: str, clause: Clause | None = None, more: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute a statement whose first parameters are the clause's."""
        if clause is None:
            return self.sql.execute(statement, more)
        self.predicates = clause.predicates
        return self.sql.execute(statement, (*clause.parameters, *more))

    def make_table(self, table: str) -> None:
        """Make the table once per connection."""
        if table not in self.tables:
            self.sql.execute(f"CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL)")
            self.tables.add(table)


class SqliteStore:
    """A Store in one file."""

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        """Remember the file; it is opened by the first call."""
        self._path = path
        self._synchronous = synchronous
        self._local = threading.local()
        self._connections: list[_Connection] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self.indexed: dict[str, frozenset[str]] = {}
        """Table -> paths of which has_array tells fast whether one holds an array."""
        self.indexes: dict[str, tuple[Index, ...]] = {}

    def collection(self, name: str, /) -> Collection:
        """Return the collection; it need not exist yet."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a collection name: {name!r}")
        return SqliteCollection(self, name)

    async def sync_indexes(self, indexes: Mapping[str, Sequence[Index]], /) -> None:
        """Make the declared indexes and drop ours that are no longer declared."""
        await self.write(sync_indexes, indexes)
        self.indexed |= {f'"c_{name}"': indexed_paths(declared) for name, declared in indexes.items()}
        self.indexes |= {f'"c_{name}"': tuple(declared) for name, declared in indexes.items()}

    async def ping(self) -> None:
        """Return when the file can be read."""
        await self.read(lambda connection: connection.run("SELECT count(*) FROM sqlite_master").fetchone())

    async def close(self) -> None:
        """Let what runs finish, then close every connection."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        for connection in self._connections:
            connection.sql.close()

    async def write(self, action: Callable[Concatenate[_Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the action in the writer thread, in one transaction."""
        return await self._run(self._writer, lambda: self._transaction(lambda connection: action(connection, *args, **kwargs)))

    async def read(self, action: Callable[Concatenate[_Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the action in a reader thread."""
        return await self._run(self._readers, lambda: self._snapshot(lambda connection: action(connection, *args, **kwargs)))

    async def _run(self, pool: ThreadPoolExecutor, action: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, self._translated, action)
        except RuntimeError as e:
            raise StoreUnavailableError("The database is closed: the server is shutting down.") from e

    def _translated(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except sqlite3.IntegrityError as e:
            raise DuplicateKeyError(_refusing_index(str(e))) from e
        except sqlite3.Error as e:
            reason, is_lasting = _reason(e)
            raise StoreUnavailableError(f"The database file {self._path} cannot be used: {reason}", is_lasting=is_lasting) from e
        except OSError as e:
            raise StoreUnavailableError(f"The database file {self._path} cannot be used: {e.strerror}.", is_lasting=True) from e
        except RuntimeError as e:
            raise StoreError(str(e)) from e

    def _connection(self) -> _Connection:
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._local.connection = _Connection(self._path, self._synchronous)
            self._connections.append(connection)
        return connection

    def _snapshot(self, action: Callable[[_Connection], T]) -> T:
        """Let all that an action reads be of one moment, and end it when it takes too long."""
        connection = self._connection()
        ends_at = time.monotonic() + READ_SECONDS
        connection.sql.set_progress_handler(lambda: time.monotonic() > ends_at, _PROGRESS_STEPS)
        connection.sql.execute("BEGIN")
        try:
            return action(connection)
        finally:
            connection.sql.set_progress_handler(None, 0)
            if connection.sql.in_transaction:
                connection.sql.execute("ROLLBACK")

    def _transaction(self, action: Callable[[_Connection], T]) -> T:
        connection = self._connection()
        connection.sql.execute("BEGIN IMMEDIATE")
        try:
            result = action(connection)
            connection.sql.execute("COMMIT")
        except BaseException:
            connection.tables.clear()
            if connection.sql.in_transaction:
                connection.sql.execute("ROLLBACK")
            raise
        return result


class SqliteCollection:
    """One table of documents."""

    def __init__(self, store: SqliteStore, name: str) -> None:
        """Remember which table."""
        self._store = store
        self._table = f'"c_{name}"'

    async def get(self, document_id: str, /) -> Document | None:
        """Return the document or None."""
        return await self._store.read(self._get, document_id)

    async def find(
        self, query: Query = ALL, *, sort: Sort = (), skip: int = 0, limit: int = 0, projection: Mapping[str, bool] | None = None
    ) -> list[Document]:
        """Return matching documents; see the port."""
        bodies = await self._store.read(self._find, query, sort, skip, limit)
        return [project(orjson.loads(body), projection) for body in bodies]

    async def count(self, query: Query = ALL) -> int:
        """Return how many match."""
        return await self._store.read(self._count, query)

    async def insert(self, document: Mapping[str, Any], /) -> None:
        """Store a new document."""
        await self._store.write(self._insert, str(document["_id"]), _dump(document))

    async def update(self, document_id: str, change: Update, *, expected: Query = ALL) -> Document | None:
        """Change the document if it still matches; see the port."""
        return await self._store.write(self._update, document_id, change, expected)

    async def replace(self, document: Mapping[str, Any], *, expected: Query = ALL) -> bool:
        """Replace the document if it still matches; see the port."""
        return await self._store.write(self._replace, str(document["_id"]), _dump(document), expected)

    async def update_many(self, query: Query, change: Update) -> int:
        """Change every match; see the port."""
        return await self._store.write(self._update_many, query, change)

    async def claim(self, query: Query, change: Update, *, sort: Sort = ()) -> Document | None:
        """Change the first match; see the port."""
        return await self._store.write(self._claim, query, change, sort)

    async def delete(self, document_id: str, *, expected: Query = ALL) -> bool:
        """Delete the document if it still matches; see the port."""
        return await self._store.write(self._delete, document_id, expected)

    async def delete_many(self, query: Query, /) -> int:
        """Delete every match; see the port."""
        return await self._store.write(self._delete_many, query)

    def _get(self, connection: _Connection, document_id: str) -> Document | None:
        try:
            row = connection.run(f"SELECT body FROM {self._table} WHERE id = ?", None, (document_id,)).fetchone()
        except sqlite3.OperationalError as e:
            return _if_no_table(e, None)
        return None if row is None else orjson.loads(row[0])

    def _clause(self, connection: _Connection, query: Query) -> Clause:
        known = self._store.indexed.get(self._table, frozenset())
        plain = {path for path in paths_of(query) & known if not connection.run(has_array(self._table, path)).fetchone()[0]}
        return compile_query(query, plain=plain)

    def _source(self, connection: _Connection, query: Query, clause: Clause) -> str:
        """Return the table to count in, with the index that spares reading the documents, if it is there."""
        name = covering(self._store.indexes.get(self._table, ()), query) if paths_of(query) <= clause.plain else ""
        full = f"cc_{self._table[3:-1]}__{name}"
        is_there = name and connection.run("SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ?", None, (full,)).fetchone()
        return f'{self._table} INDEXED BY "{full}"' if is_there else self._table

    def _find(self, connection: _Connection, query: Query, sort: Sort, skip: int, limit: int) -> list[str]:
        try:
            clause = self._clause(connection, query)
            statement = f"SELECT body FROM {self._table} WHERE {clause.sql} ORDER BY {order_of(sort)} LIMIT ? OFFSET ?"
            return [row[0] for row in connection.run(statement, clause, (limit or -1, skip)).fetchall()]
        except sqlite3.OperationalError as e:
            return _if_no_table(e, [])

    def _count(self, connection: _Connection, query: Query) -> int:
        try:
            clause = self._clause(connection, query)
            source = self._source(connection, query, clause)
            return int(connection.run(f"SELECT count(*) FROM {source} WHERE {clause.sql}", clause).fetchone()[0])
        except sqlite3.OperationalError as e:
            return _if_no_table(e, 0)

    def _insert(self, connection: _Connection, document_id: str, body: str) -> None:
        connection.make_table(self._table)
        connection.run(f"INSERT INTO {self._table} (id, body) VALUES (?, ?)", None, (document_id, body))

    def _put(self, connection: _Connection, document_id: str, body: str) -> None:
        connection.run(f"UPDATE {self._table} SET body = ? WHERE id = ?", None, (body, document_id))

    def _expected(self, connection: _Connection, document_id: str, expected: Query) -> Document | None:
        document = self._get(connection, document_id)
        return document if document is not None and matches(expected, document) else None

    def _update(self, connection: _Connection, document_id: str, change: Update, expected: Query) -> Document | None:
        document = self._expected(connection, document_id, expected)
        return None if document is None else self._apply(connection, document, change)

    def _apply(self, connection: _Connection, document: Document, change: Update) -> Document:
        after = changed(document, change)
        self._put(connection, document["_id"], _dump(after))
        return after

    def _replace(self, connection: _Connection, document_id: str, body: str, expected: Query) -> bool:
        if self._expected(connection, document_id, expected) is None:
            return False
        self._put(connection, document_id, body)
        return True

    def _update_many(self, connection: _Connection, query: Query, change: Update) -> int:
        bodies = self._find(connection, query, (), 0, 0)
        for body in bodies:
            self._apply(connection, orjson.loads(body), change)
        return len(bodies)

    def _claim(self, connection: _Connection, query: Query, change: Update, sort: Sort) -> Document | None:
        bodies = self._find(connection, query, sort, 0, 1)
        return self._apply(connection, orjson.loads(bodies[0]), change) if bodies else None

    def _delete(self, connection: _Connection, document_id: str, expected: Query) -> bool:
        if self._expected(connection, document_id, expected) is None:
            return False
        connection.run(f"DELETE FROM {self._table} WHERE id = ?", None, (document_id,))
        return True

    def _delete_many(self, connection: _Connection, query: Query) -> int:
        try:
            clause = self._clause(connection, query)
            return connection.run(f"DELETE FROM {self._table} WHERE {clause.sql}", clause).rowcount
        except sqlite3.OperationalError as e:
            return _if_no_table(e, 0)


def _dump(document: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(document).decode()
    except orjson.JSONEncodeError as e:
        raise StoreError(f"A document cannot be stored: {e}.") from e


def _refusing_index(text: str) -> str:
    """Return the declared name from "UNIQUE constraint failed: index 'cc_jobs__name'"."""
    found = re.search(r"index 'cc_[a-z0-9_]*?__(.+)'", text)
    return found[1] if found else "_id"


def _if_no_table(error: sqlite3.OperationalError, otherwise: T) -> T:
    if "no such table" in str(error):
        return otherwise
    raise error


def _reason(error: sqlite3.Error) -> tuple[str, bool]:
    """Return what is wrong and what to do, and whether it stays so by itself."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return f"another process has been writing to it for more than {BUSY_TIMEOUT_SECONDS:.0f} s. Try again.", False
    if "full" in text:
        return "the disk is full. Free some space; nothing was changed.", True
    if "readonly" in text:
        return "it is read-only. Check the owner and the mount.", True
    if "malformed" in text or "not a database" in text:
        return "it is damaged. Restore it from a backup.", True
    if "unable to open" in text:
        return "it cannot be opened. Check the directory and its owner.", True
    if "interrupted" in text:
        return f"a read took longer than {READ_SECONDS:.0f} s. Filter and sort by indexed fields; docs/admin/database.md has them.", False
    return f"{text}.", True
