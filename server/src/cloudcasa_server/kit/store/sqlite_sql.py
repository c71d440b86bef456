"""The query tree as SQL, for the sqlite adapter: an expression per path that SQLite compares as MongoDB would.

The order is null < numbers < text < objects < arrays < false < true. Where an array lies on the path, or the value asked for is an object, the
row is judged by evaluate.py through the function cc_match, so that the answer is exact. For paths that are known to hold no array
(sqlite_indexes.py) that second way is left out: then an index serves both the search and the order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from .evaluate import Predicate, matches
from .port import Sort, StoreError
from .query import And, Compare, ElemMatch, Exists, In, Not, Or, Prefix, Query, Size

OBJECT, ARRAY, FALSE, TRUE = "X'03'", "X'04'", "X'05'", "X'06'"
MAX_DEPTH = 40
"""Deepest tree: SQLite parses expressions up to 1,000 deep, and a level of ours is several of its."""
MAX_PARAMETERS = 30_000
"""Most values in one query: SQLite binds 32,766 (https://www.sqlite.org/limits.html)."""

_HARD = re.compile(r'["\\\x00-\x1f]')
_TOO_LARGE = 2**63
_CHAIN = 8
_SQL_OPERATOR = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


class Clause:
    """A WHERE clause with its parameters, in order, and the predicates its cc_match calls name."""

    def __init__(self, plain: AbstractSet[str] = frozenset()) -> None:
        """Start empty. At the `plain` paths no document holds an array."""
        self.sql = "1"
        self.parameters: list[Any] = []
        self.predicates: list[Predicate] = []
        self.plain = plain

    def bind(self, *values: Any) -> None:
        """Add parameters, left to right."""
        self.parameters.extend(float(value) if isinstance(value, int) and abs(value) >= _TOO_LARGE else value for value in values)

    def exact(self, query: Query) -> str:
        """Return a call that has evaluate.py judge the row."""
        self.predicates.append(lambda document: matches(query, document))
        self.bind(len(self.predicates) - 1)
        return "cc_match(body, ?)"


def compile_query(query: Query, *, plain: AbstractSet[str] = frozenset()) -> Clause:
    """Return the clause of a query tree. Values are bound and paths quoted: nothing of a client's is SQL. Raises StoreError when it is too large."""
    clause = Clause(plain)
    clause.sql = _sql(clause, query, 1)
    if len(clause.parameters) > MAX_PARAMETERS:
        raise StoreError(f"A query has {len(clause.parameters)} values; {MAX_PARAMETERS} are possible.")
    return clause


def paths_of(query: Query) -> frozenset[str]:
    """Return the paths that a query compares. Raises StoreError when it is too deep."""
    found: set[str] = set()
    level: list[Query] = [query]
    for _ in range(MAX_DEPTH):
        found |= {part.path for part in level if not isinstance(part, And | Or | Not)}
        level = [below for part in level for below in _parts(part)]
        if not level:
            return frozenset(found)
    raise StoreError(f"A query is nested more than {MAX_DEPTH} levels deep.")


def _parts(query: Query) -> tuple[Query, ...]:
    if isinstance(query, And | Or):
        return query.parts
    return (query.part,) if isinstance(query, Not) else ()


def _sql(clause: Clause, query: Query, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise StoreError(f"A query is nested more than {MAX_DEPTH} levels deep.")
    match query:
        case And(parts):
            return _joined(clause, parts, "AND", depth) or "1"
        case Or(parts):
            return _joined(clause, parts, "OR", depth) or "0"
        case Not(part):
            return f"({_sql(clause, part, depth + 1)}) IS NOT TRUE"
        case Compare(path, "ne", value):
            return f"({_leaf_sql(clause, Compare(path, 'eq', value))}) IS NOT TRUE"
        case _:
            return _leaf_sql(clause, query)


def _joined(clause: Clause, parts: Sequence[Query], word: str, depth: int) -> str:
    """Return the conditions, joined as a balanced tree: a chain of a thousand would be deeper than SQLite parses."""
    if len(parts) <= _CHAIN:
        return f" {word} ".join(f"({_sql(clause, part, depth + 1)})" for part in parts)
    half = len(parts) // 2
    return f"({_joined(clause, parts[:half], word, depth)}) {word} ({_joined(clause, parts[half:], word, depth)})"


def _leaf_sql(clause: Clause, query: Compare | In | Exists | Size | ElemMatch | Prefix) -> str:
    """Return `plain OR (array AND exact)`: both sides can use an index on the path's key."""
    key = key_of(query.path)
    if key is None:
        return clause.exact(query)
    plain = _plain_sql(clause, query, key)
    if plain is not None and (query.path == "_id" or query.path in clause.plain):
        return plain
    array = f"{key} = {ARRAY} AND {clause.exact(query)}"
    return array if plain is None else f"{plain} OR ({array})"


def _plain_sql(clause: Clause, query: Compare | In | Exists | Size | ElemMatch | Prefix, key: str) -> str | None:
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
            is_there = f"({key} IS NOT NULL OR json_type(body, {_quoted(path.split('.'))}) IS NOT NULL)"
            return f"{key} IS NOT {ARRAY} AND {is_there}{'' if present else ' IS NOT TRUE'}"
        case Prefix(_, text):
            clause.bind(text, len(text), text)
            return f"({key} >= ? AND {key} < X'' AND substr({key}, 1, ?) = ?)"
        case _:
            return None


def _equal_sql(clause: Clause, query: Query, key: str, values: Sequence[Any]) -> str:
    simple = [value for value in values if isinstance(value, str | int | float) and not isinstance(value, bool)]
    words = ["?"] * len(simple) + [TRUE if value else FALSE for value in values if isinstance(value, bool)]
    conditions = [f"{key} IN ({', '.join(words)})"] if words else []
    clause.bind(*simple)
    if any(value is None for value in values):
        conditions.append(f"{key} IS NULL")
    if any(isinstance(value, Mapping) for value in values):
        conditions.append(f"({key} = {OBJECT} AND {clause.exact(query)})")
    return f"({' OR '.join(conditions) or '0'})"


def _ordered_sql(clause: Clause, query: Query, key: str, op: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return f"({key} IS NOT {ARRAY} AND {clause.exact(query)})"
    clause.bind(value)
    comparison = f"{key} {_SQL_OPERATOR[op]} ?"
    if isinstance(value, str):
        return f"({comparison} AND {key} {'>= ' + repr('') if op in {'lt', 'lte'} else '< X' + repr('')})"
    return f"({comparison})" if op in {"lt", "lte"} else f"({comparison} AND {key} < '')"


def order_of(sort: Sort) -> str:
    """Return the ORDER BY terms, ties broken by id."""
    parts = [f"{key_of(path) or 'NULL'} {'ASC' if direction > 0 else 'DESC'}" for path, direction in sort]
    return ", ".join([*parts, "id ASC"])


def key_of(path: str) -> str | None:
    """Return the expression that stands for the value at the path, or None when SQLite cannot name it.

    An array anywhere on the way gives one value for all arrays, because SQLite has no multikey index.
    """
    if path == "_id":
        return "id"
    segments = path.split(".")
    if not all(segments) or _HARD.search(path):
        return None
    ways = "".join(f"WHEN json_type(body, {_quoted(segments[:n])}) = 'array' THEN {ARRAY} " for n in range(1, len(segments)))
    full = _quoted(segments)
    rest = (
        f"CASE json_type(body, {full}) WHEN 'array' THEN {ARRAY} WHEN 'object' THEN {OBJECT} "
        f"WHEN 'false' THEN {FALSE} WHEN 'true' THEN {TRUE} ELSE json_extract(body, {full}) END"
    )
    return f"(CASE {ways}ELSE {rest} END)" if ways else f"({rest})"


def unique_key_of(path: str) -> str:
    """Return the expression a unique index is on: every value apart, null and missing the same."""
    if path == "_id":
        return "id"
    full = _quoted(path.split("."))
    whole = f"CAST(json_extract(body, {full}) AS BLOB)"
    return (
        f"(CASE json_type(body, {full}) WHEN 'array' THEN {whole} WHEN 'object' THEN {whole} WHEN 'false' THEN {FALSE} "
        f"WHEN 'true' THEN {TRUE} ELSE coalesce(json_extract(body, {full}), X'00') END)"
    )


def _quoted(segments: Sequence[str]) -> str:
    path = "$" + "".join(f'."{segment}"' for segment in segments)
    return "'" + path.replace("'", "''") + "'"
