"""Documents that give access: one set of rules for keys, groups, memberships and invitations.

Their rows are settled, nobody gives more than they have, and callers that are remembered are looked at anew when one changes.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ..kit.errors import AppError, InvalidError
from ..kit.rest import Hooks, Outcome, RequestContext
from ..kit.rest.access import CREATE, DELETE, UPDATE
from ..kit.store import Document
from .acls import settle_rows
from .caches import Caches
from .escalation import refuse_more
from .grants import grants_of
from .holders import holders_of
from .permissions import check_roles

_GIVING = ("roles", "acls", "org_role", "users", "usergroups", "expires_at")
"""Fields that say what is given, to whom, and until when."""


async def settle_giving(context: RequestContext, document: Document, /, *, old: Document | None = None) -> Document:
    """Return a document that gives access, its rows settled. Raises InvalidError, and ForbiddenError where it gives what the caller lacks."""
    before = old or {}
    if document.get("acls") and document.get("acls") != before.get("acls"):
        rows: list[Any] = await settle_rows(context, document["acls"], before=before.get("acls") or ())
        document = document | {"acls": rows}
    if document.get("roles") and document.get("roles") != before.get("roles"):
        await check_roles(context, document["roles"])
    if any(document.get(field) != before.get(field) for field in _GIVING):
        holders = [document, *await _groups(context, document)]
        refuse_more(context, await grants_of(holders, store=context.store), what=f'"{document.get("name") or document.get("user")}"')
    return document


async def undo_create(context: RequestContext, collection: str, document: Document, error: AppError, /) -> NoReturn:
    """Take back what was made at the same moment as another that it cannot stand beside; record that, and raise the error."""
    await context.store.collection(collection).delete(document["_id"])
    await context.record(CREATE, collection, document, outcome=Outcome.FAILED, message=f"Undone. {error.text}")
    raise error


async def _groups(context: RequestContext, document: Document) -> list[Document]:
    """Return the groups that an invitation leads into."""
    found = [await context.store.collection("usergroups").get(one) for one in document.get("usergroups") or ()]
    return [group for group in found if group is not None]


class GivingHooks(Hooks):
    """The rules, as hooks: for a resource whose documents give access."""

    def __init__(self, collection: str) -> None:
        """Remember whose."""
        self._collection = collection

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Settle what it gives."""
        return await settle_giving(context, document)

    async def after_create(self, context: RequestContext, document: Document, /) -> Document:
        """Make it count at once."""
        context.service(Caches).forget()
        return document

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Settle what it gives now, and keep an administrator."""
        new = await settle_giving(context, new, old=old)
        await holders_of(context).refuse_lockout(self._collection, new)
        return new

    async def after_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Make it count at once, and keep an administrator also where two requests went past each other."""
        context.service(Caches).forget()
        await self._keep_administrator(context, UPDATE, old)
        return new

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Keep an administrator."""
        await holders_of(context).refuse_lockout(self._collection, document, is_gone=True)

    async def after_delete(self, context: RequestContext, document: Document, /) -> None:
        """Make it count at once, and keep an administrator."""
        context.service(Caches).forget()
        await self._keep_administrator(context, DELETE, document)

    async def _keep_administrator(self, context: RequestContext, operation: str, old: Document) -> None:
        """Undo what left no administrator, and record that it was undone."""
        try:
            await holders_of(context).undo_lockout(self._collection, old)
        except InvalidError as error:
            await context.record(operation, self._collection, old, outcome=Outcome.FAILED, message=f"Undone. {error.text}")
            raise
