"""Random filters, sorts and projections as clients write them, and what they mean: the second opinion on kit/rest's grammar.

The generator makes only what rest-api.md 1.7 offers. The meaning is read off the JSON itself, with query_reference.py for one comparison; nothing here
knows the query tree that kit/rest makes of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cmp_to_key
from typing import Any

from hypothesis import strategies as st

from .query_reference import ABSENT, comparable, kind, readings
from .store_suite import KEYS, NUMBERS, PLAIN, TEXT, VALUES

Json = dict[str, Any]

INNER = st.lists(st.one_of(KEYS, KEYS, st.sampled_from(["0", "1"])), min_size=1, max_size=3).map(".".join)
FIELDS = st.one_of(
    st.sampled_from(["beds", "name", "camelCase", "options", "tags"]), INNER.map("options.{}".format), KEYS.map("tags.{}".format)
)
COMPARED = st.one_of(PLAIN, st.dictionaries(KEYS, PLAIN, max_size=2), st.lists(PLAIN, max_size=2))
ORDERED = st.one_of(NUMBERS, TEXT, st.none(), st.booleans())
OPTIONS = st.dictionaries(KEYS, VALUES, max_size=4)
"""The free object of a toy room."""


def operators(*, nested: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """Return the operators that one field can be given; `nested` are whole filters, for elements."""
    values = st.lists(COMPARED, max_size=4)
    element = st.one_of(
        nested, st.fixed_dictionaries({}, optional={"$gt": NUMBERS, "$lt": NUMBERS, "$eq": PLAIN, "$in": values}).filter(bool)
    )
    plain = {
        **dict.fromkeys(("$eq", "$ne"), COMPARED),
        **dict.fromkeys(("$gt", "$gte", "$lt", "$lte"), ORDERED),
        **dict.fromkeys(("$in", "$nin", "$all"), values),
        "$exists": st.booleans(),
        "$size": st.integers(0, 3),
        "$elemMatch": element,
    }
    one = st.one_of([st.builds(lambda value, name=name: {name: value}, strategy) for name, strategy in plain.items()])
    some = st.lists(one, min_size=1, max_size=2).map(lambda parts: {key: value for part in parts for key, value in part.items()})
    return st.one_of(some, some.map(lambda inner: {"$not": inner}))


def _level(inner: st.SearchStrategy[Json], fields: st.SearchStrategy[str]) -> st.SearchStrategy[Json]:
    condition = st.dictionaries(fields, st.one_of(COMPARED, operators(nested=inner)), min_size=1, max_size=2)
    combined = st.builds(
        lambda name, parts: {name: parts}, st.sampled_from(["$and", "$or", "$nor"]), st.lists(condition, min_size=1, max_size=3)
    )
    return st.one_of(condition, combined, st.builds(lambda one, other: {**one, **other}, condition, combined))


_ELEMENTS = st.dictionaries(KEYS, st.one_of(PLAIN, st.builds(lambda value: {"$gt": value}, NUMBERS)), min_size=1, max_size=2)
FILTERS = st.one_of(
    _level(_ELEMENTS, FIELDS), st.lists(_level(_ELEMENTS, FIELDS), min_size=1, max_size=2).map(lambda parts: {"$or": parts})
)
SORTS = st.lists(st.tuples(st.one_of(st.sampled_from(["beds", "name", "camelCase"]), FIELDS), st.sampled_from([1, -1])), max_size=3)
PROJECTIONS = st.one_of(st.none(), st.tuples(st.lists(FIELDS, min_size=1, max_size=3), st.booleans()))


def sort_text(keys: Sequence[tuple[str, int]], *, is_listed: bool) -> str:
    """Return a sort in one of its two forms; a name with a comma or a quote would need the second."""
    if is_listed:
        return json.dumps([list(key) for key in keys], ensure_ascii=False)
    return ", ".join(("-" if direction < 0 else "") + path for path, direction in keys)


def selects(where: Mapping[str, Any], document: Any) -> bool:
    """Tell whether a filter selects a document."""
    return all(_member(key, value, document) for key, value in where.items())


def _member(key: str, value: Any, document: Any) -> bool:
    if key == "$and":
        return all(selects(one, document) for one in value)
    if key in {"$or", "$nor"}:
        return any(selects(one, document) for one in value) is (key == "$or")
    if isinstance(value, dict) and any(name.startswith("$") for name in value):
        return all(_operated(name, operand, document, key) for name, operand in value.items())
    return _equals(document, key, value)


def _equals(document: Any, path: str, value: Any) -> bool:
    wanted = kind(value)
    return any(pair == wanted or (pair == ABSENT and value is None) for pair in comparable(document, path))


_LONGER: dict[str, Callable[[Any, str, Any], bool]] = {
    "$eq": _equals,
    "$ne": lambda document, path, value: not _equals(document, path, value),
    "$in": lambda document, path, values: any(_equals(document, path, one) for one in values),
    "$nin": lambda document, path, values: not any(_equals(document, path, one) for one in values),
    "$all": lambda document, path, values: bool(values) and all(_equals(document, path, one) for one in values),
    "$exists": lambda document, path, wanted: any(there for there, _ in readings(document, path)) is wanted,
    "$size": lambda document, path, size: any(isinstance(one, list) and len(one) == size for one in _there(document, path)),
    "$not": lambda document, path, inner: not all(_operated(name, one, document, path) for name, one in inner.items()),
    "$elemMatch": lambda document, path, inner: any(
        _element(inner, one) for value in _there(document, path) if isinstance(value, list) for one in value
    ),
}


def _operated(name: str, operand: Any, document: Any, path: str) -> bool:
    if name in _LONGER:
        return _LONGER[name](document, path, operand)
    if operand is None:
        return name in {"$gte", "$lte"} and _equals(document, path, None)
    wanted = kind(operand)
    alike = [value for its, value in comparable(document, path) if its == wanted[0]]
    higher = {"$gt": lambda one: one > wanted[1], "$gte": lambda one: one >= wanted[1]}
    lower = {"$lt": lambda one: one < wanted[1], "$lte": lambda one: one <= wanted[1]}
    return any((higher | lower)[name](one) for one in alike)


def _there(document: Any, path: str) -> list[Any]:
    return [value for there, value in readings(document, path) if there]


def _element(inner: Mapping[str, Any], element: Any) -> bool:
    if all(name.startswith("$") for name in inner):
        return all(_operated(name, one, element, "") for name, one in inner.items())
    return selects(inner, element)


def is_sortable(documents: Sequence[Json], keys: Sequence[tuple[str, int]]) -> bool:
    """Tell whether the order is the same in every database: arrays and objects are ordered differently."""
    values = [value for document in documents for path, _ in keys for value in _walked(document, path)]
    return not any(isinstance(value, dict | list) for value in values)


def _walked(document: Json, path: str) -> list[Any]:
    """Return the value at the path, or the array in which the way there ends."""
    value: Any = document
    for step in path.split("."):
        if isinstance(value, list):
            return [value]
        if not isinstance(value, dict) or step not in value:
            return [None]
        value = value[step]
    return [value]


def ordered(documents: Sequence[Json], keys: Sequence[tuple[str, int]]) -> list[Json]:
    """Return the documents in the order of the keys, ties by id: null, then numbers, texts and booleans."""
    ranks = {"null": 0, "number": 1, "string": 2, "bool": 3}
    last = dict(keys)

    def compare(left: Json, right: Json) -> int:
        for path, direction in last.items():
            one, other = ((ranks[pair[0]], pair[1]) for pair in (kind(_walked(each, path)[0]) for each in (left, right)))
            if one[0] != other[0]:
                return direction if one[0] > other[0] else -direction
            if one[1] != other[1]:
                return direction if one[1] > other[1] else -direction
        return -1 if left["_id"] < right["_id"] else 1

    return sorted(documents, key=cmp_to_key(compare))


def projected(document: Any, paths: Sequence[str], *, is_kept: bool) -> Any:
    """Return an object with only these paths, or without them; elements of arrays are treated one by one."""
    if isinstance(document, list):
        elements = [one for one in document if isinstance(one, dict) or not is_kept]
        return [projected(one, paths, is_kept=is_kept) for one in elements]
    if not isinstance(document, dict):
        return document
    shown: Json = {}
    for key, value in document.items():
        below = [path.partition(".")[2] for path in paths if path.partition(".")[0] == key]
        if not below:
            shown |= {} if is_kept else {key: value}
        elif "" in below:
            shown |= {key: value} if is_kept else {}
        elif isinstance(value, dict | list) or not is_kept:
            shown[key] = projected(value, below, is_kept=is_kept)
    return shown
