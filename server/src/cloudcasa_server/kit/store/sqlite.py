"""The sqlite adapter: one file, one table per collection, documents as JSON text. The embedded default, and what unit tests run on.

SQL does the finding, with an expression per path (`_key`) that turns a value into something SQLite compares as MongoDB would: null < numbers
< text < objects < arrays < false < true. Where an array lies on the path, or the value asked for is an object, the row is judged
by evaluate.py through the function cc_match, so that the answer is exact. Declared indexes are indexes on the same expressions.
Writes go through one thread, each in BEGIN IMMEDIATE, so a second process on the same file is safe too. Durability over speed: this
is backup software, so synchronous=FULL (https://www.sqlite.org/pragma.html#pragma_synchronous: NORMAL in WAL may lose the last commits).
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson

from .evaluate import Predicate, changed, matches, project
from .port import Collection, Document, DuplicateKeyError, Index, Sort, StoreError, StoreUnavailableError, Update
from .query import ALL, And, Compare, ElemMatch, Exists, In, Not, Or, Prefix, Query, Size

READERS = 4
"""Threads that read at the same time; two cores do not profit from more."""
BUSY_TIMEOUT_SECONDS = 5.0
"""How long to wait for another process that writes to the same file."""

_OBJECT, _ARRAY, _FALSE, _TRUE = "X'03'", "X'04'", "X'05'", "X'06'"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")
_HARD = re.compile(r'["\\\x00-\x1f]')
_TOO_LARGE = 2**63
_SQL_OPERATOR = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}

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

    def run(self, statement: str, clause: _Clause | None = None, more: Sequence[Any] = ()) -> sqlite3.Cursor:
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
        self._names: dict[str, tuple[str, str]] = {}

    def collection(self, name: str, /) -> Collection:
        """Return the collection; it need not exist yet."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a collection name: {name!r}")
        return SqliteCollection(self, name)

    async def sync_indexes(self, indexes: Mapping[str, Sequence[Index]], /) -> None:
        """Make the declared indexes and drop ours that are no longer declared."""
        await self.write(_sync_indexes, indexes)

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
        return await self._run(self._readers, lambda: action(self._connection(), *args, **kwargs))

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

    def _find(self, connection: _Connection, query: Query, sort: Sort, skip: int, limit: int) -> list[str]:
        clause = compile_query(query)
        statement = f"SELECT body FROM {self._table} WHERE {clause.sql} ORDER BY {_order(sort)} LIMIT ? OFFSET ?"
        try:
            return [row[0] for row in connection.run(statement, clause, (limit or -1, skip)).fetchall()]
        except sqlite3.OperationalError as e:
            return _if_no_table(e, [])

    def _count(self, connection: _Connection, query: Query) -> int:
        clause = compile_query(query)
        try:
            return int(connection.run(f"SELECT count(*) FROM {self._table} WHERE {clause.sql}", clause).fetchone()[0])
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
        clause = compile_query(query)
        try:
            return connection.run(f"DELETE FROM {self._table} WHERE {clause.sql}", clause).rowcount
        except sqlite3.OperationalError as e:
            return _if_no_table(e, 0)


class _Clause:
    """A WHERE clause with its parameters, in order, and the predicates its cc_match calls name."""

    def __init__(self) -> None:
        """Start empty."""
        self.sql = "1"
        self.parameters: list[Any] = []
        self.predicates: list[Predicate] = []

    def bind(self, *values: Any) -> None:
        """Add parameters, left to right."""
        self.parameters.extend(float(value) if isinstance(value, int) and abs(value) >= _TOO_LARGE else value for value in values)

    def exact(self, query: Query) -> str:
        """Return a call that has evaluate.py judge the row."""
        self.predicates.append(lambda document: matches(query, document))
        self.bind(len(self.predicates) - 1)
        return "cc_match(body, ?)"


def compile_query(query: Query) -> _Clause:
    """Return the clause of a query tree. Values are bound and paths quoted: nothing of a client's is SQL."""
    clause = _Clause()
    clause.sql = _sql(clause, query)
    return clause


def _sql(clause: _Clause, query: Query) -> str:
    match query:
        case And(parts):
            return " AND ".join(f"({_sql(clause, part)})" for part in parts) or "1"
        case Or(parts):
            return " OR ".join(f"({_sql(clause, part)})" for part in parts) or "0"
        case Not(part):
            return f"({_sql(clause, part)}) IS NOT TRUE"
        case Compare(path, "ne", value):
            return f"({_sql(clause, Compare(path, 'eq', value))}) IS NOT TRUE"
        case _:
            return _leaf_sql(clause, query)


def _leaf_sql(clause: _Clause, query: Compare | In | Exists | Size | ElemMatch | Prefix) -> str:
    """Return `plain OR (array AND exact)`: both sides can use an index on the path's key."""
    key = _key(query.path)
    if key is None:
        return clause.exact(query)
    plain = _plain_sql(clause, query, key)
    if query.path == "_id" and plain is not None:
        return plain
    array = f"{key} = {_ARRAY} AND {clause.exact(query)}"
    return array if plain is None else f"{plain} OR ({array})"


def _plain_sql(clause: _Clause, query: Compare | In | Exists | Size | ElemMatch | Prefix, key: str) -> str | None:
    """Return the condition for rows without an array on the path; None when only an array can match."""
    match query:
        case Compare(_, "eq", value):
            return _equal_sql(clause, query, key, (value,))
        case In(_, values):
            return _equal_sql(clause, query, key, values)
        case Compare(_, op, value):
            return _ordered_sql(clause, query, key, op, value)
        case Exists("_id", present):
            return "1" if present else "0"
        case Exists(path, present):
            return f"{key} IS NOT {_ARRAY} AND json_type(body, {_quoted(path.split('.'))}) IS {'NOT ' if present else ''}NULL"
        case Prefix(_, text):
            clause.bind(text, len(text), text)
            return f"({key} >= ? AND {key} < X'' AND substr({key}, 1, ?) = ?)"
        case _:
            return None


def _equal_sql(clause: _Clause, query: Query, key: str, values: Sequence[Any]) -> str:
    simple = [value for value in values if isinstance(value, str | int | float) and not isinstance(value, bool)]
    words = ["?"] * len(simple) + [_TRUE if value else _FALSE for value in values if isinstance(value, bool)]
    conditions = [f"{key} IN ({', '.join(words)})"] if words else []
    clause.bind(*simple)
    if any(value is None for value in values):
        conditions.append(f"{key} IS NULL")
    if any(isinstance(value, Mapping) for value in values):
        conditions.append(f"({key} = {_OBJECT} AND {clause.exact(query)})")
    return f"({' OR '.join(conditions) or '0'})"


def _ordered_sql(clause: _Clause, query: Query, key: str, op: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return f"({key} IS NOT {_ARRAY} AND {clause.exact(query)})"
    clause.bind(value)
    comparison = f"{key} {_SQL_OPERATOR[op]} ?"
    if isinstance(value, str):
        return f"({comparison} AND {key} {'>= ' + repr('') if op in {'lt', 'lte'} else '< X' + repr('')})"
    return f"({comparison})" if op in {"lt", "lte"} else f"({comparison} AND {key} < '')"


def _order(sort: Sort) -> str:
    parts = [f"{_key(path) or 'NULL'} {'ASC' if direction > 0 else 'DESC'}" for path, direction in sort]
    return ", ".join([*parts, "id ASC"])


def _key(path: str) -> str | None:
    """Return the expression that stands for the value at the path, or None when SQLite cannot name it.

    An array anywhere on the way gives one value for all arrays, because SQLite has no multikey index.
    """
    if path == "_id":
        return "id"
    segments = path.split(".")
    if not all(segments) or _HARD.search(path):
        return None
    ways = "".join(f"WHEN json_type(body, {_quoted(segments[:n])}) = 'array' THEN {_ARRAY} " for n in range(1, len(segments)))
    full = _quoted(segments)
    rest = (
        f"CASE json_type(body, {full}) WHEN 'array' THEN {_ARRAY} WHEN 'object' THEN {_OBJECT} "
        f"WHEN 'false' THEN {_FALSE} WHEN 'true' THEN {_TRUE} ELSE json_extract(body, {full}) END"
    )
    return f"(CASE {ways}ELSE {rest} END)" if ways else f"({rest})"


def _unique_key(path: str) -> str:
    """Return the expression a unique index is on: every value apart, null and missing the same."""
    if path == "_id":
        return "id"
    full = _quoted(path.split("."))
    whole = f"CAST(json_extract(body, {full}) AS BLOB)"
    return (
        f"(CASE json_type(body, {full}) WHEN 'array' THEN {whole} WHEN 'object' THEN {whole} WHEN 'false' THEN {_FALSE} "
        f"WHEN 'true' THEN {_TRUE} ELSE coalesce(json_extract(body, {full}), X'00') END)"
    )


def _quoted(segments: Sequence[str]) -> str:
    path = "$" + "".join(f'."{segment}"' for segment in segments)
    return "'" + path.replace("'", "''") + "'"


def _dump(document: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(document).decode()
    except orjson.JSONEncodeError as e:
        raise StoreError(f"A document cannot be stored: {e}.") from e


def _sync_indexes(connection: _Connection, declared: Mapping[str, Sequence[Index]]) -> None:
    wanted: dict[str, str] = {}
    for collection, indexes in declared.items():
        connection.make_table(f'"c_{collection}"')
        wanted |= {f"cc_{collection}__{index.name}": _index_sql(collection, index) for index in indexes}
    rows = connection.run("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE 'cc\\_%' ESCAPE '\\'").fetchall()
    have = {name: sql for name, sql in rows if name.partition("__")[0].removeprefix("cc_") in declared}
    for name, sql in have.items():
        if wanted.get(name) != sql:
            connection.run(f'DROP INDEX "{name}"')
    for name, sql in wanted.items():
        if have.get(name) != sql:
            connection.run(sql)


def _index_sql(collection: str, index: Index) -> str:
    expression = _unique_key if index.unique else (lambda path: _key(path) or "NULL")
    keys = ", ".join(f"{expression(path)} {'ASC' if direction > 0 else 'DESC'}" for path, direction in index.keys)
    return f'CREATE {"UNIQUE " if index.unique else ""}INDEX "cc_{collection}__{index.name}" ON "c_{collection}" ({keys})'


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
    return f"{text}.", True
