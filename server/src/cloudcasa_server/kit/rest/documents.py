"""One resource's documents: the envelope every document has, and the ways our own code reads and changes them.

Stored form: what the client sent, exactly (rest-api.md 1.12.8), plus server-owned fields. `_created` and `_updated` are seconds since 1970
(comparable; RFC 1123 text only at the edge); write-only paths hold sealed text. The etag is over client-settable fields only, so that
heartbeats and progress never change it (rest-api.md 1.9). Used by kit/rest for requests and by services and tasks for their own changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache, lru_cache
from hashlib import sha1
from typing import Any

import orjson
from pydantic import BaseModel

from ..clock import Clock
from ..crypto import Vault, is_sealed
from ..errors import InvalidError, NotFoundError
from ..ids import is_id, new_id
from ..store import ALL, Collection, Document, DuplicateKeyError, Index, Query, Store, Update
from . import paths
from .resource import Resource, Unique

ENVELOPE = ("_id", "_etag", "_created", "_updated", "_links")
IGNORED = frozenset({*ENVELOPE, "_status", "status"})
"""Keys a client may send and the server ignores (rest-api.md 1.12.7)."""


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one resource."""

    resource: Resource
    store: Store
    clock: Clock
    vault: Vault

    @property
    def collection(self) -> Collection:
        """Return the collection, for queries of one's own. Changes of client-settable fields must go through here instead."""
        return self.store.collection(self.resource.name)

    def new(self, fields: Mapping[str, Any], *, user: str = "") -> Document:
        """Return a new document with its envelope, defaults and server-owned fields; write-only values are sealed. Not stored yet."""
        now = self.clock.timestamp()
        document: Document = {"_id": new_id(), "_created": now, "_updated": now}
        document |= copied(dict(self.resource.defaults)) | copied(dict(fields)) | self.resource.initial()
        if user:
            document["cc_user_email"] = user
        document = self.seal(document)
        return document | {"_etag": self.etag(document)}

    async def insert(self, document: Document) -> Document:
        """Store a new document. Raises InvalidError with the resource's sentence when it is not unique."""
        try:
            await self.collection.insert(document)
        except DuplicateKeyError as e:
            raise not_unique(self.resource, e.index, document) from e
        return document

    async def find(self, document_id: str) -> Document | None:
        """Return the document or None."""
        return await self.collection.get(document_id) if is_id(document_id) else None

    async def get(self, document_id: str) -> Document:
        """Return the document. Raises NotFoundError."""
        document = await self.find(document_id)
        if document is None:
            raise NotFoundError(f'There is no {self.resource.noun} with the id "{document_id[:60]}".')
        return document

    async def set(
        self, document_id: str, values: Mapping[str, Any], *, unset: Sequence[str] = (), expected: Query = ALL
    ) -> Document | None:
        """Set server-owned fields by path, if the document still matches; return it as it is after, or None. The etag stays."""
        change = Update(set={**values, "_updated": self.clock.timestamp()}, unset=unset)
        try:
            return await self.collection.update(document_id, change, expected=expected)
        except DuplicateKeyError as e:
            raise not_unique(self.resource, e.index, values) from e

    async def delete(self, document_id: str, *, expected: Query = ALL) -> bool:
        """Delete the document; tell whether it was there."""
        return await self.collection.delete(document_id, expected=expected)

    def seal(self, document: Document) -> Document:
        """Return the document with its write-only values sealed (those that are not yet)."""
        return self._with_secrets(document, lambda path, value: value if is_sealed(value) else self._seal(document["_id"], path, value))

    def reveal(self, document: Document) -> Document:
        """Return a copy with its write-only values in clear. Never store, log or answer it."""
        return self._with_secrets(document, lambda path, value: self._open(document["_id"], path, value))

    def _seal(self, document_id: str, path: str, value: Any) -> Any:
        return None if value is None else self.vault.seal(value, aad=self._place(document_id, path))

    def _open(self, document_id: str, path: str, value: Any) -> Any:
        return self.vault.open(value, aad=self._place(document_id, path)) if is_sealed(value) else value

    def _place(self, document_id: str, path: str) -> str:
        return f"{self.resource.name}/{document_id}/{path}"

    def _with_secrets(self, document: Document, change: Any) -> Document:
        present = [path for path in self.resource.write_only if paths.has(document, path)]
        if not present:
            return document
        document = copied(document)
        for path in present:
            paths.put(document, path, change(path, paths.get(document, path)))
        return document

    def etag(self, document: Document) -> str:
        """Return the etag: 40 hex characters over the client-settable fields, secrets by keyed digest."""
        settable = settable_fields(self.resource)
        shown: Document = {key: value for key, value in document.items() if key in settable} if settable else {}
        shown = self._with_secrets(
            shown | {"_id": document["_id"]}, lambda path, value: self.vault.digest(self._open(document["_id"], path, value))
        )
        return sha1(orjson.dumps(shown, option=orjson.OPT_SORT_KEYS), usedforsecurity=False).hexdigest()

    def present(self, document: Document) -> Document:
        """Return a copy of the document as clients see it."""
        return present(self.resource, copied(document))


def present(resource: Resource, document: Document) -> Document:
    """Return the document as clients see it: dates as text, links, nothing hidden. The document given must not be used after."""
    for path in (*resource.write_only, *resource.hidden):
        paths.remove(document, path)
    for key in ("_created", "_updated"):
        if isinstance(document.get(key), int):
            document[key] = http_date(document[key])
    document["_links"] = {"self": {"title": resource.title, "href": f"/v1/{resource.name}/{document['_id']}"}} | _related(
        resource, document
    )
    return document


def _related(resource: Resource, document: Document) -> dict[str, Any]:
    related = {
        path: {"title": _title(name), "href": f"/v1/{name}/{value}"}
        for path, name in resource.references.items()
        if isinstance(value := paths.get(document, path) if "." in path else document.get(path), str)
    }
    return {"related": related} if related else {}


@cache
def _title(name: str) -> str:
    """Return the title of a link to a resource (rest-api.md 1.5). There are as many as there are resources."""
    return name.removesuffix("s").capitalize() if name != "policies" else "policy"


@lru_cache(maxsize=10_000)
def http_date(timestamp: int) -> str:
    """Return seconds since 1970 as RFC 1123 text. The documents of a list share most of their times."""
    return formatdate(timestamp, usegmt=True)


def copied(value: Any) -> Any:
    """Return a deep copy of a document or a part of one. These are plain JSON values, and the encoder is ten times as fast as deepcopy."""
    return orjson.loads(orjson.dumps(value))


def settable_fields(resource: Resource) -> frozenset[str]:
    """Return the wire names of the client-settable top-level fields."""
    return frozenset() if resource.model is None else _fields_of(resource.model)


@cache
def _fields_of(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(about.alias or name for name, about in model.model_fields.items())


def indexes_of(resource: Resource) -> tuple[Index, ...]:
    """Return the declared indexes and those that keep unique what must be."""
    return (*resource.indexes, *(Index(unique_name(one), tuple((path, 1) for path in one.fields), unique=True) for one in resource.unique))


def unique_name(rule: Unique) -> str:
    """Return the name of the index behind a rule."""
    return "unique_" + "_".join(path.replace(".", "_") for path in rule.fields)


def not_unique(resource: Resource, index: str, document: Mapping[str, Any]) -> InvalidError:
    """Return the error of a refused unique index, with the resource's sentence."""
    for rule in resource.unique:
        if unique_name(rule) == index or (not index and len(resource.unique) == 1):
            text = rule.message
            for path in rule.fields:
                text = text.replace("{" + path + "}", str(paths.get(document, path)))
            return InvalidError(text, issues={rule.fields[0]: text})
    return InvalidError(f"Another {resource.noun} with these values exists already.", issues={index or "name": "not unique"})
