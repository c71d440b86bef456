"""What a user or a key may do: the grants of their roles and of their rows of access control (ADR 0016).

Called by whoever makes a Principal (API keys, sessions); the result may be kept for CACHE_SECONDS, not longer, and is to be dropped when Caches
says so. Whatever cannot be found gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..kit.rest import EVERYTHING, EVERYWHERE, Grant, Principal, Scope
from ..kit.rest.access import Anchor
from ..kit.store import Document, Store, eq
from .anchors import find_anchors
from .rolebook import BuiltIn, find_roles

ALL_RESOURCES = "allresources"
_ADMIN = frozenset({EVERYTHING})


async def principal_of_user(user: Document, *, store: Store) -> Principal:
    """Return the user as a caller: with the roles and rows of the membership, and the rows of every group."""
    holders = await store.collection("userorgs").find(eq("user", user["_id"]))
    holders += await store.collection("usergroups").find(eq("users", user["_id"]))
    return Principal(id=user["_id"], email=str(user["email"]), kind="user", grants=await grants_of(holders, store=store))


async def principal_of_key(key: Document, *, store: Store) -> Principal:
    """Return the API key as a caller."""
    return Principal(id=key["_id"], email=f"{key['name']}@apikey", grants=await grants_of([key], store=store))


async def grants_of(holders: Sequence[Document], *, store: Store) -> tuple[Grant, ...]:
    """Return what documents with `roles`, `acls` and `org_role` give."""
    roles = await find_roles(store, {reference for holder in holders for reference in _references(holder)})
    anchors = await find_anchors(store, [row for holder in holders for row in holder.get("acls") or ()])
    return tuple(grant for holder in holders for grant in _grants(holder, roles=roles, anchors=anchors) if grant.permissions)


def _grants(holder: Document, *, roles: Mapping[str, Document], anchors: Mapping[str, Anchor]) -> Iterator[Grant]:
    yield Grant(_of_roles(roles_of(holder), roles))
    for row in holder.get("acls") or ():
        permissions = frozenset(row.get("permissions") or ()) | _of_roles(row.get("roles") or (), roles)
        yield Grant(permissions, _scope(row, anchors))


def _scope(row: Document, anchors: Mapping[str, Anchor]) -> Scope:
    """Return where a row holds: without ids only `allresources` is everywhere, anything else nowhere."""
    if row["resource"] == ALL_RESOURCES:
        return EVERYWHERE
    ids = (str(one).lower() for one in row.get("resourceIds") or ())
    return Scope(anchors={row["resource"]: tuple(anchors.get(one, {"_id": one}) for one in ids)})


def roles_of(holder: Document) -> list[str]:
    """Return the roles that hold everywhere. `org_role` USER is what a key has that says nothing else."""
    roles = [str(role) for role in holder.get("roles") or ()]
    if holder.get("org_role") == BuiltIn.ADMIN:
        roles.append(BuiltIn.ADMIN)
    if holder.get("org_role") == BuiltIn.USER and not roles and not holder.get("acls"):
        roles.append(BuiltIn.USER)
    return roles


def _references(holder: Document) -> Iterator[str]:
    yield from roles_of(holder)
    for row in holder.get("acls") or ():
        yield from (str(role) for role in row.get("roles") or ())


def _of_roles(references: Iterable[str], roles: Mapping[str, Document]) -> frozenset[str]:
    """Return the permissions of roles. ADMIN is what it is even where the database has lost it."""
    found = [
        _ADMIN if str(one).upper() == BuiltIn.ADMIN else frozenset(roles[one]["permissions"])
        for one in references
        if one in roles or str(one).upper() == BuiltIn.ADMIN
    ]
    return frozenset().union(*found)
