"""Dotted paths in documents: reading, setting, removing and walking, through arrays where the path does not say an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Slot = tuple[dict[str, Any] | list[Any], str | int]
"""A place in a document: its holder and key."""


def slots(document: Any, path: str) -> Iterator[Slot]:
    """Yield every place the path leads to; an array on the way or at its end stands for each element."""
    head, _, rest = path.partition(".")
    if isinstance(document, list):
        for element in document:
            yield from slots(element, path)
    elif isinstance(document, dict) and head in document:
        if rest:
            yield from slots(document[head], rest)
        elif isinstance(document[head], list):
            yield from ((document[head], number) for number in range(len(document[head])))
        else:
            yield document, head


def get(document: Mapping[str, Any], path: str, default: Any = None) -> Any:
    """Return the value at a path through objects only."""
    value: Any = document
    for segment in path.split("."):
        if not isinstance(value, Mapping) or segment not in value:
            return default
        value = value[segment]
    return value


def has(document: Mapping[str, Any], path: str) -> bool:
    """Tell whether something is at the path."""
    return get(document, path, _MISSING) is not _MISSING


def put(document: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a path; what is not an object on the way is left alone."""
    *way, last = path.split(".")
    holder: Any = document
    for segment in way:
        holder = holder.setdefault(segment, {}) if isinstance(holder, dict) else None
    if isinstance(holder, dict):
        holder[last] = value


def remove(document: Any, path: str) -> None:
    """Remove what is at the path, in every element of arrays on the way."""
    head, _, rest = path.partition(".")
    if isinstance(document, list):
        for element in document:
            remove(element, path)
    elif isinstance(document, dict) and rest:
        remove(document.get(head), rest)
    elif isinstance(document, dict):
        document.pop(head, None)


def strip_indexes(path: str) -> str:
    """Return the path without array indexes: what rules about paths compare with."""
    return ".".join(segment for segment in path.split(".") if not segment.isdecimal())


def overlaps(path: str, other: str) -> bool:
    """Tell whether one of the paths is the other or leads to it."""
    return path == other or path.startswith(f"{other}.") or other.startswith(f"{path}.")


_MISSING = object()
