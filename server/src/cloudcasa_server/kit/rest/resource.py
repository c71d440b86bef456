"""The declaration of a REST resource: all that the dialect (rest-api.md 1) needs to know to serve it.

A room declares one `Resource` in its resource.py and hands it to `api`; kit/rest makes the routes. Rules that are not uniform are
`Hooks`, called between validation and storage. Stored documents hold exactly what the client sent (rest-api.md 1.12.8: echo), plus
server-owned fields; the pydantic `model` only judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ..store import Document, Index
from .belonging import Belonging
from .docs import Docs

if TYPE_CHECKING:
    from .context import RequestContext

READ_METHODS = frozenset({"list", "get"})
ALL_METHODS = READ_METHODS | {"create", "replace", "patch", "delete"}


@dataclass(frozen=True, slots=True)
class Unique:
    """Fields that together must be unique. Enforced by an index, so two requests at once cannot both win."""

    fields: tuple[str, ...]
    message: str
    """The sentence of the 422; `{field}` is replaced by the value at that path, e.g. 'The name "{name}" is taken by another cluster.'"""


class Hooks:
    """What a resource does beyond the dialect. Override what is needed; each may raise kit.errors.AppError."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Judge and complete a new document (it has _id, _created … already); return what is to be stored."""
        return document

    async def after_create(self, context: RequestContext, document: Document, /) -> Document:
        """Act on a stored document; return the document as it is now."""
        return document

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Judge and complete a replacement or patch (`new` is the whole document to be stored)."""
        return new

    async def after_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Act on a stored change; return the document as it is now."""
        return new

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Refuse a deletion by raising."""

    async def delete(self, context: RequestContext, document: Document, /) -> bool:
        """Delete in another way than by removing the document: return True when that was done (e.g. state DELETING and a job)."""
        return False

    async def after_delete(self, context: RequestContext, document: Document, /) -> None:
        """Act on a finished deletion."""

    async def present(self, context: RequestContext, document: Document, /) -> Document:
        """Change how a single document is shown (not used for lists: a list never builds more than it needs)."""
        return document


@dataclass(frozen=True, slots=True)
class Resource:
    """One collection of the API."""

    name: str
    """Path and collection name: `kubeclusters`."""
    title: str
    """Link title and the word in sentences: `Kubecluster`."""
    noun: str
    """How people call one: `cluster`."""
    model: type[BaseModel] | None = None
    """Judges client-settable fields (extra forbidden at top level; wire names by alias). None: clients set nothing."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Top-level values stored when a client leaves them out on POST or PUT."""
    initial: Callable[[], Document] = dict
    """Server-owned fields of a new document, such as {'status': {'state': 'REGISTERED'}}."""
    additions: frozenset[str] = frozenset()
    """Dotted paths of client-settable fields of our own, which clients of the original do not know: a PUT that leaves them out keeps them;
    null takes them away."""
    immutable: frozenset[str] = frozenset()
    """Client-settable fields that never change after POST (422)."""
    write_only: frozenset[str] = frozenset()
    """Dotted paths encrypted at rest, never shown, in the etag as a keyed digest only, kept when a PUT or PATCH leaves them out.
    E.g. s3provider.credentials."""
    hidden: frozenset[str] = frozenset()
    """Dotted server-owned paths never shown and never filterable."""
    guarded: Mapping[str, str] = field(default_factory=dict)
    """Dotted path -> permission: hidden from callers without it. E.g. {'status.agentURL': 'kubeclusters.update'}."""
    bound: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Write-only path -> paths it was given for: when one of those changes, the secret must be sent again, so that it never goes
    to a place its owner did not mean."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Dotted path -> resource name: checked on write when client-settable (422 dangling), embeddable on read."""
    expanded: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """Dotted path of ids -> (resource, fields): always shown as objects of these fields, `id` being `_id` again (rest-api.md 1.12.6)."""
    unique: tuple[Unique, ...] = (Unique(("name",), "Another one has this name already."),)
    indexes: tuple[Index, ...] = ()
    synonyms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Dotted path -> {value a client may ask for in `where`: value as stored}. E.g. {'state': {'CANCELLED': 'CANCELED'}}."""
    methods: frozenset[str] = ALL_METHODS
    """Of ALL_METHODS, and `clear`: DELETE of the whole collection, which only lists of notices offer."""
    refuses: frozenset[str] = frozenset()
    """Kinds of principals that are refused (403): `apikey`, for what only people may see."""
    belongs: Mapping[str, Belonging] = field(default_factory=dict)
    """Resource -> how documents belong to its documents: `{"kubeclusters": within("cluster")}`. A grant around those covers these."""
    readable_from: Mapping[str, Belonging] = field(default_factory=dict)
    """Resource -> which documents must be readable, not more, to whom has a grant around its documents: the cluster of a namespace."""
    is_shared: bool = False
    """Documents belong to nobody, and who may read some may read all: policies, object stores. Writing needs a grant that holds everywhere."""
    also_needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Operation -> further permissions it needs on the document, e.g. {'create': ('kubeclusters.restore',)}."""
    hooks: Hooks = field(default_factory=Hooks)
    docs: Docs = field(default_factory=Docs)
    """What readers of the API's description should know beyond the rest."""
