"""The query tree and the update, on plain documents: what the sqlite adapter does where SQL alone would not be exact.

MongoDB's rules (MongoDB manual, "Query Documents"): a path through an array reaches every element; a comparison is true when any reached
value satisfies it; numbers, strings and booleans never equal or outrank each other. tests/support/query_reference.py says the same in
other words, and the store suite compares the two with each other and with real databases. Called by the adapters only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from .port import Document, StoreError, Update
from .query import And, Compare, ElemMatch, Exists, In, Not, Or, Prefix, Query, Size

Predicate = Callable[[Any], bool]

MAX_ARRAY_INDEX = 10_000
"""Largest array index an update path may name: a path must not make a document explode."""

_ORDER: dict[str, Callable[[Any, Any], bool]] = {"lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge}


def matches(query: Query, document: Any) -> bool:
    """Tell whether the document matches."""
    match query:
        case And(parts):
            return all(matches(part, document) for part in parts)
        case Or(parts):
            return any(matches(part, document) for part in parts)
        case Not(part):
            return not matches(part, document)
        case _:
            return _leaf(query, document)


def _leaf(query: Query, document: Any) -> bool:
    match query:
        case Compare(path, "ne", value):
            return not _any_equal(document, path, (value,))
        case Compare(path, "eq", value):
            return _any_equal(document, path, (value,))
        case Compare(path, op, value):
            return _any_ordered(document, path, op, value)
        case In(path, values):
            return _any_equal(document, path, values)
        case Exists(path, present):
            return any(True for _ in reached(document, path)) is present
        case Size(path, length):
            return any(isinstance(value, list) and len(value) == length for value in reached(document, path))
        case ElemMatch(path, inner):
            lists = (value for value in reached(document, path) if isinstance(value, list))
            return any(matches(inner, element) for value in lists for element in value)
        case Prefix(path, text):
            return any(isinstance(value, str) and value.startswith(text) for value in candidates(document, path))
    message = f"not a query: {query!r}"
    raise TypeError(message)


def _any_equal(document: Any, path: str, wanted: Sequence[Any]) -> bool:
    """Tell whether a value at the path, or an element of it, is one of the wanted; what is missing counts as null."""
    return any(same(None if value is _GONE else value, one) for value in _with_elements(document, path) for one in wanted)


def _any_ordered(document: Any, path: str, op: str, value: Any) -> bool:
    if value is None:
        return op in {"lte", "gte"} and _any_equal(document, path, (None,))
    return any(bracket(one) == bracket(value) and _ORDER[op](one, value) for one in candidates(document, path) if bracket(one) in {1, 2, 5})


def bracket(value: Any) -> int:
    """Return the rank of the value's type in MongoDB's order; values of two ranks are never equal."""
    if value is None:
        return 0
    if isinstance(value, bool):
        return 5
    if isinstance(value, int | float):
        return 1
    if isinstance(value, str):
        return 2
    return 3 if isinstance(value, Mapping) else 4


def same(left: Any, right: Any) -> bool:
    """Tell whether two values are equal to MongoDB: 1 equals 1.0, not True; the order of an object's keys counts."""
    if bracket(left) != bracket(right):
        return False
    if isinstance(left, Mapping):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(same(one, other) for one, other in zip(left, right, strict=True))
    return bool(left == right)


def candidates(document: Any, path: str) -> Iterator[Any]:
    """Yield the values at the path and, of arrays, their elements too."""
    return (value for value in _with_elements(document, path) if value is not _GONE)


def _with_elements(document: Any, path: str) -> Iterator[Any]:
    for value in _ends(document, path.split(".") if path else []):
        yield value
        if isinstance(value, list) and path:
            yield from value


_GONE = object()


def reached(document: Any, path: str) -> Iterator[Any]:
    """Yield the values that are at the path; an array on the way stands for each of its objects and, with a number, for that element."""
    return (value for value in _ends(document, path.split(".") if path else []) if value is not _GONE)


def _ends(value: Any, segments: Sequence[str]) -> Iterator[Any]:
    """Yield what each way along the path ends in; _GONE where an object lacks the next key or a plain value stands in the way."""
    if not segments:
        yield value
        return
    head, rest = segments[0], segments[1:]
    if isinstance(value, Mapping):
        if head in value:
            yield from _ends(value[head], rest)
        else:
            yield _GONE
    elif isinstance(value, list):
        if head.isdecimal() and str(int(head)) == head and int(head) < len(value):
            yield from _ends(value[int(head)], rest)
        for element in value:
            if isinstance(element, Mapping):
                yield from _ends(element, segments)
    else:
        yield _GONE


def changed(document: Mapping[str, Any], change: Update) -> Document:
    """Return the document with the change applied. Raises StoreError when a path leads through a plain value, as MongoDB does."""
    after = deepcopy(dict(document))
    for path, value in change.set.items():
        holder, key = _holder(after, path)
        _put(holder, key, deepcopy(value))
    for path in change.unset:
        _unset(after, path.split("."))
    for path, amount in change.increment.items():
        holder, key = _holder(after, path)
        _put(holder, key, _number(_peek(holder, key), path) + amount)
    for path, value in change.push.items():
        holder, key = _holder(after, path)
        before = _peek(holder, key)
        if not isinstance(before, list | None):
            raise StoreError(f'Cannot append to "{path}": it is not an array.')
        _put(holder, key, [*(before or []), deepcopy(value)])
    return after


def _number(value: Any, path: str) -> Any:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise StoreError(f'Cannot increment "{path}": it is not a number.')
    return value


def _holder(document: Document, path: str) -> tuple[Any, str]:
    """Return the object or array that holds the last segment, made when missing."""
    *way, last = path.split(".")
    holder: Any = document
    for segment in way:
        if _peek(holder, segment) is None and not (isinstance(holder, dict) and segment in holder):
            _put(holder, segment, {})
        holder = _peek(holder, segment)
        if not isinstance(holder, dict | list):
            raise StoreError(f'Cannot set "{path}": "{segment}" on its way is a plain value.')
    return holder, last


def _peek(holder: Any, key: str) -> Any:
    if isinstance(holder, list):
        return holder[int(key)] if key.isdecimal() and int(key) < len(holder) else None
    return holder.get(key)


def _put(holder: Any, key: str, value: Any) -> None:
    if not isinstance(holder, list):
        holder[key] = value
        return
    if not key.isdecimal() or int(key) > MAX_ARRAY_INDEX:
        raise StoreError(f'Cannot set "{key}" of an array: it is not an index.')
    holder.extend([None] * (int(key) + 1 - len(holder)))
    holder[int(key)] = value


def _unset(holder: Any, segments: Sequence[str]) -> None:
    head, rest = segments[0], segments[1:]
    if rest:
        below = _peek(holder, head) if isinstance(holder, dict | list) else None
        if isinstance(below, dict | list):
            _unset(below, rest)
    elif isinstance(holder, dict):
        holder.pop(head, None)
    elif isinstance(holder, list) and head.isdecimal() and int(head) < len(holder):
        holder[int(head)] = None


def project(document: Document, projection: Mapping[str, bool] | None) -> Document:
    """Return only the projected paths, or all but them; _id always stays."""
    if not projection:
        return document
    tree: dict[str, Any] = {}
    for path in projection:
        node = tree
        for segment in path.split("."):
            node = node.setdefault(segment, {})
    if all(projection.values()):
        return {"_id": document["_id"]} | _only(document, tree)
    tree.pop("_id", None)
    return _without(document, tree)


def _only(value: Mapping[str, Any], tree: Mapping[str, Any]) -> Document:
    kept = {}
    for key, one in value.items():
        if key in tree:
            below = tree[key]
            if not below:
                kept[key] = one
            elif isinstance(one, Mapping):
                kept[key] = _only(one, below)
            elif isinstance(one, list):
                kept[key] = [_only(element, below) for element in one if isinstance(element, Mapping)]
    return kept


def _without(value: Mapping[str, Any], tree: Mapping[str, Any]) -> Document:
    kept: Document = {}
    for key, one in value.items():
        below = tree.get(key)
        if below is None:
            kept[key] = one
        elif below and isinstance(one, Mapping):
            kept[key] = _without(one, below)
        elif below and isinstance(one, list):
            kept[key] = [_without(element, below) if isinstance(element, Mapping) else element for element in one]
        elif below:
            kept[key] = one
    return kept
