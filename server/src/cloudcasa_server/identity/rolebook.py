"""What roles there are: the built-in ones, and how a role is found by what names it. The resource itself is in roles.py.

Three are built in, and made anew at each start from the routes that are declared, so a new resource is in them at once. Names of roles are
accepted wherever ids are, in any case: keys made before there were roles say `admin`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import sha256

from ..kit.rest import EVERYTHING, Documents
from ..kit.store import Document, DuplicateKeyError, In, Or, Store

COLLECTION = "roles"
IDENTITY = frozenset(
    {
        "users",
        "userorgs",
        "orgs",
        "orginvites",
        "usergroups",
        "roles",
        "rbac",
        "apikeys",
        "auditlogs",
        "sessions",
        "providers",
        "userstates",
        "notificationchannels",
        "notificationdeliveries",
    }
)
"""What USER and VIEWER do not have: who is who, the record of it, and where the server sends what it knows."""
_ADMIN_ONLY = frozenset({"objectstores.import"})
"""What brings in clusters and recovery points of other installations, under their ids."""
_OPEN_TO_ALL = frozenset({"orgs.read"})
"""Of these, what every member may see: the organisation's name."""


class BuiltIn(StrEnum):
    """The roles that are always there."""

    ADMIN = "ADMIN"
    """Everything."""
    USER = "USER"
    """Everything but people, keys, roles, the organisation, the audit log and importing from storage."""
    VIEWER = "VIEWER"
    """Reads what USER works with."""


_DESCRIPTIONS = {
    BuiltIn.ADMIN: "Everything.",
    BuiltIn.USER: "Everything except users, groups, roles, API keys, the organisation, the audit log and importing from storage.",
    BuiltIn.VIEWER: "Reads everything that USER works with, and changes nothing.",
}


def builtin_permissions(role: BuiltIn, known: Iterable[str], /) -> list[str]:
    """Return what a built-in role gives, of the permissions that there are."""
    if role is BuiltIn.ADMIN:
        return [EVERYTHING]
    open_ = {permission for permission in known if permission.partition(".")[0] not in IDENTITY or permission in _OPEN_TO_ALL}
    open_ -= _ADMIN_ONLY
    return sorted(permission for permission in open_ if role is BuiltIn.USER or permission.endswith(".read"))


def builtin_id(role: str, /) -> str:
    """Return the id of a built-in role, the same in every installation."""
    return sha256(f"role/{role}".encode()).hexdigest()[:24]


async def find_roles(store: Store, references: Iterable[str], /) -> Mapping[str, Document]:
    """Return {reference: role} of ids and of names; those that name nothing are left out."""
    wanted = {reference: reference.lower() for reference in references}
    if not wanted:
        return {}
    names = {spelling for one in wanted for spelling in (one, one.upper())}
    found = await store.collection(COLLECTION).find(Or((In("_id", tuple(wanted.values())), In("name", tuple(sorted(names))))))
    by_id = {role["_id"]: role for role in found}
    by_name = {role["name"]: role for role in found}
    matches = {one: by_id.get(low) or by_name.get(one) or by_name.get(one.upper()) for one, low in wanted.items()}
    return {one: role for one, role in matches.items() if role is not None}


async def seed_roles(documents: Documents, /, *, known: frozenset[str]) -> None:
    """Make the built-in roles, or bring them up to date. Safe with several processes at once."""
    for role in BuiltIn:
        fields = {"name": role.value, "description": _DESCRIPTIONS[role], "permissions": builtin_permissions(role, known)}
        document = documents.new(fields) | {"_id": builtin_id(role.value), "type": "BUILTIN"}
        document["_etag"] = documents.etag(document)
        try:
            await documents.collection.insert(document)
        except DuplicateKeyError:
            await documents.set(document["_id"], {key: document[key] for key in ("permissions", "description", "type", "_etag")})
