"""`embedded=`: ids replaced by the documents they name, at any nesting level (rest-api.md 1.7).

One query per reference and level, whatever the number of rows. Unknown and non-reference fields are ignored, a dangling reference stays the
id, and so does one to a resource the caller may not read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ..errors import BadRequestError
from ..ids import is_id
from ..store import Document, In, Store
from . import paths
from .resource import Resource
from .where import is_field, parse_object

MAX_FIELDS = 40
MAX_LEVELS = 6
CHUNK = 1_000
"""Ids asked for in one query."""

Tree = dict[str, "Tree"]
"""Reference path -> what to embed in the documents found there."""
Fetch = Callable[[Resource, Sequence[str]], Awaitable[list[Document]]]
"""Returns the documents of these ids that the caller may see, as the caller sees them."""


def parse_embedded(text: str | None, resource: Resource, resources: Mapping[str, Resource]) -> Tree:
    """Return what to embed. Raises BadRequestError when the parameter is not a JSON object."""
    tree: Tree = {}
    if text is None or not text.strip():
        return tree
    wanted = parse_object(text, "embedded")
    if len(wanted) > MAX_FIELDS:
        raise BadRequestError(f'The parameter "embedded" names {len(wanted)} fields; {MAX_FIELDS} are allowed.')
    for path, is_wanted in wanted.items():
        if is_wanted and is_field(path):
            _plant(tree, path.split("."), resource, resources)
    return tree


def _plant(tree: Tree, segments: Sequence[str], resource: Resource, resources: Mapping[str, Resource]) -> None:
    for _ in range(MAX_LEVELS):
        path = next((p for n in range(1, len(segments) + 1) if (p := ".".join(segments[:n])) in resource.references), None)
        target = resources.get(resource.references[path]) if path else None
        if path is None or target is None:
            return
        tree = tree.setdefault(path, {})
        segments, resource = segments[path.count(".") + 1 :], target


async def embed(documents: Sequence[Document], tree: Tree, resource: Resource, resources: Mapping[str, Resource], fetch: Fetch) -> None:
    """Put documents in the place of their ids."""
    for path, below in tree.items():
        target = resources[resource.references[path]]
        places = [(holder, key) for document in documents for holder, key in paths.slots(document, path) if is_id(_at(holder, key))]
        ids = list({_at(holder, key) for holder, key in places})
        found = [one for start in range(0, len(ids), CHUNK) for one in await fetch(target, ids[start : start + CHUNK])]
        shown = {one["_id"]: one for one in found}
        await embed(list(shown.values()), below, target, resources, fetch)
        for holder, key in places:
            _replace(holder, key, shown)


async def expand(documents: Sequence[Document], resource: Resource, store: Store) -> None:
    """Put small objects in the place of ids that are never shown as ids."""
    for path, (target, fields) in resource.expanded.items():
        places = [(holder, key) for document in documents for holder, key in paths.slots(document, path) if is_id(_at(holder, key))]
        ids = tuple({_at(holder, key) for holder, key in places})
        found = await store.collection(target).find(In("_id", ids)) if ids else []
        shown = {one["_id"]: {field: one["_id" if field == "id" else field] for field in fields if field in {"id", *one}} for one in found}
        for holder, key in places:
            _replace(holder, key, shown)


def _at(holder: Any, key: str | int) -> Any:
    return holder[key]


def _replace(holder: Any, key: str | int, shown: Mapping[str, Document]) -> None:
    holder[key] = shown.get(holder[key], holder[key])
