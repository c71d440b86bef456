"""Declared indexes in SQLite: indexes on the expressions of sqlite_sql.py, and small ones that tell whether a path holds an array anywhere.

SQLite has no multikey index, so an array on a path takes a second way to be found (cc_match). For each indexed path, a partial index over the
rows with an array there, nearly always empty, tells in microseconds that the second way is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from .port import Index
from .query import And, Compare, Query
from .sqlite_sql import ARRAY, key_of, paths_of, unique_key_of


class Connection(Protocol):
    """What is asked of a connection."""

    def run(self, statement: str, /) -> Any:
        """Execute a statement and return its cursor."""

    def make_table(self, table: str, /) -> None:
        """Make a table when it is missing."""


def sync_indexes(connection: Connection, declared: Mapping[str, Sequence[Index]]) -> None:
    """Make the declared indexes and drop ours that are no longer declared."""
    wanted: dict[str, str] = {}
    for collection, indexes in declared.items():
        connection.make_table(f'"c_{collection}"')
        for index in indexes:
            wanted |= _statements(collection, index)
    rows = connection.run("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE 'cc\\_%' ESCAPE '\\'").fetchall()
    have = {name: sql for name, sql in rows if name.partition("__")[0].removeprefix("cc_") in declared}
    for name, sql in have.items():
        if wanted.get(name) != sql:
            connection.run(f'DROP INDEX "{name}"')
    for name, sql in wanted.items():
        if have.get(name) != sql:
            connection.run(sql)


def indexed_paths(indexes: Sequence[Index]) -> frozenset[str]:
    """Return the paths of which it is known at any time whether one holds an array."""
    return frozenset(path for index in indexes for path, _ in index.stored_keys if path != "_id" and key_of(path) is not None)


def covering(indexes: Sequence[Index], query: Query) -> str:
    """Return the declared name of an index that holds all that a query compares, and starts with something it asks to be equal; or nothing.

    SQLite's planner does not see that an index on expressions covers a query (https://www.sqlite.org/releaselog/3_41_0.html), so it may take another
    that starts alike and read every document.
    """
    paths, equal = paths_of(query), set(_equal_paths(query))
    for index in indexes:
        if not index.unique and index.keys[0][0] in equal and paths <= {path for path, _ in index.stored_keys}:
            return index.name
    return ""


def _equal_paths(query: Query) -> Iterator[str]:
    """Yield the paths that must equal a plain value."""
    if isinstance(query, And):
        for part in query.parts:
            yield from _equal_paths(part)
    elif isinstance(query, Compare) and query.op == "eq" and isinstance(query.value, str | int | float):
        yield query.path


def has_array(table: str, path: str) -> str:
    """Return the statement that gives 1 when an array is at an indexed path of any document, else 0."""
    return f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {key_of(path)} = {ARRAY})"


def _statements(collection: str, index: Index) -> dict[str, str]:
    """Return the statements of a declared index by name. A unique one sees values apart that are equal to a search, so it gets a plain one too."""
    name = f"cc_{collection}__{index.name}"
    statements = {name: _create(name, collection, _columns(index, is_unique=index.unique), is_unique=index.unique)}
    if index.unique:
        plain = Index(index.name, index.keys)
        statements[f"{name}__plain"] = _create(f"{name}__plain", collection, _columns(plain, is_unique=False))
    for path in sorted(indexed_paths([index])):
        arrays = f"cc_{collection}__array__{path}"
        statements[arrays] = f'CREATE INDEX "{arrays}" ON "c_{collection}" (id) WHERE {key_of(path)} = {ARRAY}'
    return statements


def _columns(index: Index, *, is_unique: bool) -> str:
    expression = unique_key_of if is_unique else (lambda path: key_of(path) or "NULL")
    return ", ".join(f"{expression(path)} {'ASC' if direction > 0 else 'DESC'}" for path, direction in index.stored_keys)


def _create(name: str, collection: str, columns: str, *, is_unique: bool = False) -> str:
    return f'CREATE {"UNIQUE " if is_unique else ""}INDEX "{name}" ON "c_{collection}" ({columns})'
