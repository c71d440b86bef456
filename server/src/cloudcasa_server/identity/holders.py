"""Who has access at all: so that the last one who may do everything is never taken away (ADR 0016).

Counted are keys without an end and users who are not disabled, with the role ADMIN or a row that gives everything everywhere. Where two requests
take away the last two at the same moment, each puts back what it took. Should nobody be left all the same, the next start makes a first key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ..kit.errors import InvalidError
from ..kit.rest import EVERYTHING, RequestContext
from ..kit.store import Document, DuplicateKeyError, In, Or, Store
from .grants import ALL_RESOURCES, roles_of
from .rolebook import BuiltIn, builtin_id

KEYS, MEMBERSHIPS, GROUPS, USERS = "apikeys", "userorgs", "usergroups", "users"
_NOUNS = {KEYS: "API key", MEMBERSHIPS: "member", GROUPS: "user group", "orginvites": "invitation"}
_ADMIN = frozenset({BuiltIn.ADMIN.value, builtin_id(BuiltIn.ADMIN)})

Changes = Mapping[str, Mapping[str, Document | None]]
"""Collection -> id -> the document as it will be; None: gone."""


@dataclass(frozen=True, slots=True)
class Holders:
    """The documents that give access."""

    store: Store

    async def refuse_lockout(self, collection: str, document: Document, /, *, is_gone: bool = False) -> None:
        """Refuse a change, or a deletion, after which nobody could do everything. Raises InvalidError."""
        changes: Changes = {collection: {document["_id"]: None if is_gone else document}}
        if not await self.has_admin(changes) and await self.has_admin():
            raise _refusal(document)

    async def undo_lockout(self, collection: str, old: Document, /) -> None:
        """Put back what gave everything, where another request took away the other one at the same moment. Raises InvalidError."""
        if not gives_everything(old) or old.get("expires_at") or await self.has_admin():
            return
        kept = self.store.collection(collection)
        if not await kept.replace(old):
            with suppress(DuplicateKeyError):
                await kept.insert(old)
        raise _refusal(old)

    async def has_admin(self, changes: Changes | None = None) -> bool:
        """Tell whether somebody may do everything, once the changes are made."""
        keys = await self._all(KEYS, changes)
        if any(gives_everything(key) and not key.get("expires_at") for key in keys.values()):
            return True
        able = {one for one, user in (await self._all(USERS, changes)).items() if not user.get("disabled")}
        members = (member["user"] for member in (await self._all(MEMBERSHIPS, changes)).values() if gives_everything(member))
        grouped = (
            user for group in (await self._all(GROUPS, changes)).values() if gives_everything(group) for user in group.get("users") or ()
        )
        return not able.isdisjoint({*members, *grouped})

    async def _all(self, collection: str, changes: Changes | None) -> dict[str, Document]:
        kept = {one["_id"]: one for one in await self.store.collection(collection).find()}
        merged = {**kept, **(changes or {}).get(collection, {})}
        return {one: document for one, document in merged.items() if document is not None}


def _refusal(document: Document) -> InvalidError:
    name = document.get("name") or document.get("email") or document["_id"]
    text = f'Cannot do this to "{name}": nobody would be left who may do everything. Give the role ADMIN to somebody else first.'
    return InvalidError(text, issues={"_id": text})


def gives_everything(holder: Document) -> bool:
    """Tell whether a document makes an administrator."""
    if _is_admin(roles_of(holder)):
        return True
    rows = (row for row in holder.get("acls") or () if row["resource"] == ALL_RESOURCES)
    return any(EVERYTHING in (row.get("permissions") or ()) or _is_admin(row.get("roles") or ()) for row in rows)


def _is_admin(roles: Iterable[object]) -> bool:
    return any(str(role) in _ADMIN or str(role).upper() in _ADMIN for role in roles)


async def holders_of_role(context: RequestContext, /, *names: str) -> list[str]:
    """Return a few of those who have a role by one of these, its id or name, for a sentence."""
    query = Or((In("roles", names), In("acls.roles", names), In("acls.roles._id", names)))
    return [one for collection, noun in _NOUNS.items() for one in await context.named(collection, noun, query)]


def holders_of(context: RequestContext, /) -> Holders:
    """Return those of this installation."""
    return Holders(context.store)
