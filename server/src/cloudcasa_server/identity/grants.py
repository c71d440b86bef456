"""What a user or a key may do: the grants of their roles and of their rows of access control (ADR 0016).

Called by whoever makes a Principal (API keys, sessions); the result may be kept for a few seconds, not longer.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..kit.rest import EVERYTHING, Grant, Principal
from ..kit.store import Document, Store

_BY_ROLE = {"admin": frozenset({EVERYTHING}), "viewer": frozenset({"*.read"})}


async def principal_of_user(user: Document, *, store: Store) -> Principal:
    """Return the user as a caller."""
    found = await store.collection("userorgs").find()
    roles = [role for one in found if one.get("user") == user["_id"] for role in one.get("roles") or ()]
    return Principal(id=user["_id"], email=str(user["email"]), kind="user", grants=_of_roles(roles))


def principal_of_key(key: Document) -> Principal:
    """Return the API key as a caller."""
    return Principal(id=key["_id"], email=f"{key['name']}@apikey", grants=_of_roles(key.get("roles") or ["admin"]))


def _of_roles(roles: Iterable[object]) -> tuple[Grant, ...]:
    return tuple(Grant(_BY_ROLE[str(role).lower()]) for role in roles if str(role).lower() in _BY_ROLE)
