"""The resource `userorgs`: who belongs to the organisation, with which roles and rows of access control. Source: rest-api.md 2.15.

One for each user, made and dropped with the user; what a person may do is read from here (grants.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import Field

from ..kit.errors import ConflictError
from ..kit.rest import Documents, Reference, RequestContext, Resource, ResourceModel, Unique
from ..kit.store import Document, Store, eq
from .acls import MAX_ROWS, SHOWN_ROLE, AccessRow
from .escalation import refuse_more
from .granting import GivingHooks
from .grants import grants_of
from .orgs import the_organisation
from .rolebook import find_roles

log = structlog.get_logger(__name__)

COLLECTION = "userorgs"
_ATTEMPTS = 5


class Membership(ResourceModel):
    """Client-settable fields."""

    user: Reference
    org: Reference
    roles: list[Reference] = Field(default_factory=list, max_length=50)
    acls: list[AccessRow] = Field(default_factory=list, max_length=MAX_ROWS)
    is_default: bool = True


USERORGS = Resource(
    name=COLLECTION,
    title="Userorg",
    noun="membership",
    model=Membership,
    defaults={"roles": [], "acls": [], "is_default": True},
    immutable=frozenset({"user", "org"}),
    hidden=frozenset({"mapped_roles"}),
    references={"user": "users", "org": "orgs", "roles": "roles"},
    expanded={"acls.roles": ("roles", SHOWN_ROLE)},
    unique=(Unique(("user", "org"), "This user is a member already."),),
    methods=frozenset({"list", "get", "replace", "patch"}),
    hooks=GivingHooks(COLLECTION),
)


async def role_ids(store: Store, names: Iterable[str], /) -> list[str]:
    """Return the ids of the roles that settings name; those that are not there are left out, and the log says so."""
    wanted = list(dict.fromkeys(names))
    roles = await find_roles(store, wanted)
    for name in wanted:
        if name not in roles:
            log.warning("A role that the settings name is not there", role=name)
    return list(dict.fromkeys(str(roles[name]["_id"]) for name in wanted if name in roles))


async def refuse_default_role(context: RequestContext, document: Document, /) -> None:
    """Refuse to make a member where the caller lacks what the default role gives. Raises ForbiddenError."""
    given = {"roles": [context.service(Memberships).default_role]}
    refuse_more(context, await grants_of([given], store=context.store), what=f'"{document["name"]}"')


@dataclass(frozen=True, slots=True)
class Memberships:
    """Makes, changes and drops memberships."""

    documents: Documents
    orgs: Documents
    groups: Documents
    default_role: str

    async def join(self, user_id: str, *, acls: Iterable[Document] = (), groups: Iterable[str] = (), roles: Iterable[str] = ()) -> None:
        """Make a user a member, if that is not so yet; who brings nothing that says what may be done has the default role."""
        if await self.documents.collection.count(eq("user", user_id)):
            return
        given, rows, joined = list(roles), list(acls), list(groups)
        for group in joined:
            await self._enter(group, user_id)
        if not given and not rows and not joined:
            given = await role_ids(self.documents.store, [self.default_role])
        org = await the_organisation(self.orgs)
        fields: dict[str, Any] = {"user": user_id, "org": org["_id"], "roles": given, "acls": rows, "is_default": True}
        await self.documents.insert(self.documents.new(fields))

    async def map_roles(self, user_id: str, names: Iterable[str], /) -> list[tuple[Document, Document]]:
        """Give the roles that a provider's groups bring now, and take those that they brought before and do not any more.

        Returns each membership that changed, before and after.
        """
        mapped = await role_ids(self.documents.store, names)
        changes: list[tuple[Document, Document]] = []
        for one in await self.documents.collection.find(eq("user", user_id)):
            earlier = set(one.get("mapped_roles", ()))
            kept = [role for role in one.get("roles", ()) if role not in earlier]
            changed = one | {"roles": [*kept, *(role for role in mapped if role not in kept)], "mapped_roles": mapped}
            values = {key: changed[key] for key in ("roles", "mapped_roles")} | {"_etag": self.documents.etag(changed)}
            after = await self.documents.set(one["_id"], values, expected=eq("_etag", one["_etag"])) if changed != one else None
            if after is not None and after["roles"] != one.get("roles"):
                changes.append((one, after))
        return changes

    async def _enter(self, group_id: str, user_id: str) -> None:
        """Put the user into a group, if that still exists."""
        groups = self.groups.collection
        for _ in range(_ATTEMPTS):
            group = await groups.get(group_id)
            if group is None or user_id in group.get("users", ()):
                return
            if await self._put_users(group, [*group.get("users", ()), user_id]):
                return
        raise ConflictError("A user group is being changed by others at the same time. Try again.")

    async def _put_users(self, group: Document, users: list[str]) -> bool:
        etag = self.groups.etag(group | {"users": users})
        return await self.groups.set(group["_id"], {"users": users, "_etag": etag}, expected=eq("_etag", group["_etag"])) is not None

    async def leave(self, user_id: str, /) -> None:
        """Drop a user's membership, and the user from every group."""
        await self.documents.collection.delete_many(eq("user", user_id))
        for group in await self.groups.collection.find(eq("users", user_id)):
            await self._put_users(group, [one for one in group["users"] if one != user_id])
