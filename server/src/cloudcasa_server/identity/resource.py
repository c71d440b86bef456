"""The resource `apikeys`: made once and shown once; a lost key is deleted, not read again."""

from __future__ import annotations

from ..kit.rest import Hooks, RequestContext, Resource, Unique
from ..kit.store import Document
from .model import ApiKeyFields
from .service import ApiKeys, new_key, stored_parts


class ApiKeyHooks(Hooks):
    """Makes the key when its document is made, and forgets it when that is deleted."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Give the document the hash of a new key; the key itself travels in a field that is never stored."""
        document.setdefault("roles", ["admin"])
        key = new_key()
        context.request.state.new_api_key = key
        return document | stored_parts(key)

    async def present(self, context: RequestContext, document: Document, /) -> Document:
        """Show the key in the answer to the POST that made it."""
        key = getattr(context.request.state, "new_api_key", None)
        return document | {"api_key": key} if key else document

    async def after_delete(self, context: RequestContext, document: Document, /) -> None:
        """Make the deletion count at once."""
        context.service(ApiKeys).forget()


APIKEYS = Resource(
    name="apikeys",
    title="Apikey",
    noun="API key",
    model=ApiKeyFields,
    hidden=frozenset({"hashed_apikey"}),
    unique=(Unique(("name",), 'The name "{name}" is taken by another API key.'), Unique(("hashed_apikey",), "This key exists already.")),
    methods=frozenset({"list", "get", "create", "delete"}),
    hooks=ApiKeyHooks(),
)
"""Roles of a key that says none: admin."""
