"""The query tree: the one form in which a filter reaches a database adapter.

It is built by kit/rest from its allow-list or by our own code, never by a client directly (architecture.md, decision 5), so an adapter
never sees a raw filter. Paths are dotted; a path through an array matches when any element does, as MongoDB has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Scalar = str | int | float | bool | None
Comparison = Literal["eq", "ne", "lt", "lte", "gt", "gte"]


@dataclass(frozen=True, slots=True)
class Compare:
    """`path op value`. `eq` on an array path also matches an element; `eq None` also matches a missing field; `ne` is the negation of `eq`."""

    path: str
    op: Comparison
    value: Any


@dataclass(frozen=True, slots=True)
class In:
    """The value at `path` (or an element of it) is one of `values`."""

    path: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there (even if null), or is not."""

    path: str
    present: bool = True


@dataclass(frozen=True, slots=True)
class Size:
    """The value is an array of this length."""

    path: str
    length: int


@dataclass(frozen=True, slots=True)
class ElemMatch:
    """An element of the array at `path` matches `query`, whose paths start at the element."""

    path: str
    query: Query


@dataclass(frozen=True, slots=True)
class Prefix:
    """The string at `path` starts with `text` (the only text search; for our own UI)."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class And:
    """All match; the empty And matches everything."""

    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one matches; the empty Or matches nothing."""

    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not match."""

    part: Query


Query = Compare | In | Exists | Size | ElemMatch | Prefix | And | Or | Not

ALL = And(())
"""Matches every document."""


def eq(path: str, value: Any) -> Compare:
    """Return the commonest comparison."""
    return Compare(path, "eq", value)
