"""The resource `apikeys`: made once and shown once; a lost key is deleted, not read again."""

from __future__ import annotations

from ..kit.errors import InvalidError
from ..kit.rest import Docs, Hooks, RequestContext, Resource, Unique
from ..kit.store import And, Compare, Document, eq
from .model import ApiKeyFields, Role
from .service import ApiKeys, new_key, stored_parts
from .shown import EXAMPLE, ApiKeyShown


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

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Refuse to delete the last key that may do everything: nobody could make another."""
        others = And((eq("roles", Role.ADMIN.value), Compare("_id", "ne", document["_id"])))
        if Role.ADMIN in document.get("roles", ()) and not await context.store.collection(APIKEYS.name).count(others):
            message = f'Cannot delete the API key "{document["name"]}": it is the last one with the role admin. Make another first.'
            raise InvalidError(message, issues={"_id": message})

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
    docs=Docs(shown=ApiKeyShown, example=EXAMPLE),
)
"""Roles of a key that says none: admin."""
