"""MongoDB's filter rules once more, in other words than kit/store/evaluate.py: what the store suite compares every adapter with.

The idea is different on purpose: a document is first written out as the list of values that a path can mean ("readings"), following the
manual's "Query an Array of Embedded Documents", and only then compared, by (type, value) pairs.
"""

from __future__ import annotations

from typing import Any

from cloudcasa_server.kit.store import And, Compare, ElemMatch, Exists, In, Not, Or, Prefix, Query, Size

ABSENT = ("absent", None)


def kind(value: Any) -> tuple[str, Any]:
    """Return the value with its type, so that comparing pairs compares as MongoDB does."""
    if value is None:
        return ("null", None)
    if value is True or value is False:
        return ("bool", value)
    if isinstance(value, str):
        return ("string", value)
    if isinstance(value, dict):
        return ("object", tuple((key, kind(one)) for key, one in value.items()))
    if isinstance(value, list):
        return ("array", tuple(kind(one) for one in value))
    return ("number", float(value))


def readings(document: Any, path: str) -> list[tuple[bool, Any]]:
    """Return (is there, value) for each thing the path can mean."""
    found: list[tuple[bool, Any]] = [(True, document)]
    for step in path.split(".") if path else []:
        below: list[tuple[bool, Any]] = []
        for is_there, value in found:
            below += _step(is_there, value, step)
        found = below
    return found


def _step(is_there: bool, value: Any, step: str) -> list[tuple[bool, Any]]:
    if not is_there or not isinstance(value, dict | list):
        return [(False, None)]
    if isinstance(value, dict):
        return [(True, value[step])] if step in value else [(False, None)]
    out: list[tuple[bool, Any]] = []
    if step.isdecimal() and step == str(int(step)) and int(step) < len(value):
        out.append((True, value[int(step)]))
    for one in value:
        if isinstance(one, dict):
            out += _step(True, one, step)
    return out


def comparable(document: Any, path: str) -> list[tuple[str, Any]]:
    """Return what a comparison looks at: the values, and the elements of those that are arrays."""
    out = []
    for is_there, value in readings(document, path):
        out.append(kind(value) if is_there else ABSENT)
        if path and isinstance(value, list):
            out += [kind(one) for one in value]
    return out


def expected(query: Query, document: Any) -> bool:
    """Tell whether the document matches."""
    if isinstance(query, And):
        return not [part for part in query.parts if not expected(part, document)]
    if isinstance(query, Or):
        return bool([part for part in query.parts if expected(part, document)])
    if isinstance(query, Not):
        return not expected(query.part, document)
    if isinstance(query, Exists):
        return (True in [is_there for is_there, _ in readings(document, query.path)]) == query.present
    values = [value for is_there, value in readings(document, query.path) if is_there]
    if isinstance(query, Size):
        return any(isinstance(value, list) and len(value) == query.length for value in values)
    if isinstance(query, ElemMatch):
        return any(expected(query.query, one) for value in values if isinstance(value, list) for one in value)
    pairs = comparable(document, query.path)
    if isinstance(query, Prefix):
        return any(name == "string" and value.startswith(query.text) for name, value in pairs)
    if isinstance(query, In):
        return any(_equal(pair, kind(value)) for pair in pairs for value in query.values)
    return _compared(query, pairs)


def _equal(pair: tuple[str, Any], wanted: tuple[str, Any]) -> bool:
    return pair == wanted or (pair == ABSENT and wanted[0] == "null")


def _compared(query: Compare, pairs: list[tuple[str, Any]]) -> bool:
    wanted = kind(query.value)
    if query.op in {"eq", "ne"}:
        return any(_equal(pair, wanted) for pair in pairs) == (query.op == "eq")
    if wanted[0] == "null":
        return query.op in {"lte", "gte"} and any(_equal(pair, wanted) for pair in pairs)
    alike = [pair[1] for pair in pairs if pair[0] == wanted[0]]
    return any(
        {"lt": value < wanted[1], "lte": value <= wanted[1], "gt": value > wanted[1], "gte": value >= wanted[1]}[query.op]
        for value in alike
    )
