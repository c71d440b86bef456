"""The resource `apikeys`: made once and shown once; a lost key is deleted, not read again."""

from __future__ import annotations

from dataclasses import dataclass

from ..kit.errors import ForbiddenError, InvalidError
from ..kit.rest import Docs, RequestContext, Resource, Unique
from ..kit.store import ALL, Document
from .acls import SHOWN_ROLE
from .granting import GivingHooks, undo_create
from .model import ApiKeyFields
from .rolebook import BuiltIn
from .service import new_key, stored_parts
from .shown import EXAMPLE, ApiKeyShown

COLLECTION = "apikeys"


@dataclass(frozen=True, slots=True)
class KeyQuota:
    """How many keys there may be."""

    limit: int


class ApiKeyHooks(GivingHooks):
    """Makes the key when its document is made, and forgets it when that is deleted."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Give the document the hash of a new key; the key itself travels in a field that is never stored."""
        if await context.store.collection(COLLECTION).count(ALL) >= context.service(KeyQuota).limit:
            raise _over_quota(context)
        if not any(document.get(field) for field in ("roles", "acls", "org_role")):
            document = document | {"roles": [BuiltIn.ADMIN.value]}
        document = await super().before_create(context, document)
        _check_end(context, document)
        key = new_key()
        context.request.state.new_api_key = key
        return document | stored_parts(key)

    async def after_create(self, context: RequestContext, document: Document, /) -> Document:
        """Keep to the limit also where several are made at once."""
        if await context.store.collection(COLLECTION).count(ALL) > context.service(KeyQuota).limit:
            await undo_create(context, COLLECTION, document, _over_quota(context))
        return await super().after_create(context, document)

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Judge what the key gives from now on."""
        if not any(new.get(field) for field in ("roles", "acls", "org_role")):
            text = f'The API key "{new["name"]}" would give nothing: keep its roles, acls or org_role, or delete it.'
            raise InvalidError(text, issues={"roles": text})
        if new.get("expires_at") != old.get("expires_at"):
            _check_end(context, new)
        return await super().before_update(context, old, new)

    async def present(self, context: RequestContext, document: Document, /) -> Document:
        """Show the key in the answer to the POST that made it."""
        key = getattr(context.request.state, "new_api_key", None)
        return document | {"apikey": key, "api_key": key} if key else document


def _over_quota(context: RequestContext) -> ForbiddenError:
    limit = context.service(KeyQuota).limit
    return ForbiddenError(
        f"There are {limit} API keys already, which is the limit. Delete one, or raise CLOUDCASA_API_KEY_QUOTA on the server."
    )


def _check_end(context: RequestContext, document: Document) -> None:
    end = document.get("expires_at")
    if end is not None and end <= context.clock.timestamp():
        text = (
            f'The API key "{document["name"]}" would have ended already: expires_at is seconds since 1970 UTC, and must be in the future.'
        )
        raise InvalidError(text, issues={"expires_at": text})


APIKEYS = Resource(
    name=COLLECTION,
    title="Apikey",
    noun="API key",
    model=ApiKeyFields,
    hidden=frozenset({"hashed_apikey"}),
    expanded={"acls.roles": ("roles", SHOWN_ROLE)},
    unique=(Unique(("name",), 'The name "{name}" is taken by another API key.'), Unique(("hashed_apikey",), "This key exists already.")),
    hooks=ApiKeyHooks(COLLECTION),
    docs=Docs(shown=ApiKeyShown, example=EXAMPLE),
)
