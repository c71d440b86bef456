"""How documents belong to others, as queries: the one place where a scope becomes a filter (ADR 0016).

The same query restricts lists in the database and judges a single document in memory, so the two can never differ. What is not said to
belong is not in scope: a resource that says nothing is for callers whose grants hold everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..store import ALL, And, Document, In, Or, Query, matches
from . import paths
from .access import Anchor, Scope


@dataclass(frozen=True, slots=True)
class Belonging:
    """How the documents of a resource belong to those of another."""

    query: Callable[[Sequence[Anchor]], Query]
    """From anchors to the documents that lie wholly around them."""
    paths: tuple[str, ...] = ("_id",)
    """What the query looks at: without these, nothing can be said about a document yet."""


def within(*fields: str) -> Belonging:
    """Return the belonging of documents that name their anchors by id: all of these paths must name one."""

    def query(anchors: Sequence[Anchor]) -> Query:
        ids = tuple(str(anchor["_id"]) for anchor in anchors)
        parts = tuple(In(path, ids) for path in fields)
        return parts[0] if len(parts) == 1 else And(parts)

    return Belonging(query, paths=fields)


ITSELF = within("_id")


def area(scope: Scope, belongs: Mapping[str, Belonging]) -> Query:
    """Return the query of what lies in a scope; one that matches nothing when the scope has no anchor that anything belongs to."""
    if scope.is_all:
        return ALL
    parts = tuple(belongs[name].query(anchors) for name, anchors in scope.anchors.items() if name in belongs and anchors)
    return parts[0] if len(parts) == 1 else Or(parts)


def lies_in(document: Document, query: Query) -> bool:
    """Tell whether a whole document lies in an area."""
    return query == ALL or matches(query, document)


def is_told(document: Document, belongs: Mapping[str, Belonging]) -> bool:
    """Tell whether all that belonging depends on is in the document already."""
    return all(paths.has(document, path) for belonging in belongs.values() for path in belonging.paths)
