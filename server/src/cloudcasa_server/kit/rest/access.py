"""Who calls, and what a route asks of the caller. Every route has an Access; a test walks them all (architecture.md 5).

A permission is `<resource>.<verb>`, with the verbs read and write; `*` on either side of a grant means all. Roles are sets of grants;
identity/ says who has which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import Request

GRANTS: Mapping[str, frozenset[str]] = {"admin": frozenset({"*.*"}), "viewer": frozenset({"*.read"})}
"""What each role may do."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller."""

    id: str
    email: str
    """Shown as cc_user_email of what the caller makes."""
    roles: frozenset[str] = frozenset()
    kind: str = "apikey"

    def allows(self, permission: str) -> bool:
        """Tell whether the caller may do this."""
        resource, _, verb = permission.rpartition(".")
        wanted = {permission, f"{resource}.*", f"*.{verb}", "*.*"}
        return any(wanted & GRANTS.get(role, frozenset()) for role in self.roles)


ANONYMOUS = Principal(id="", email="", kind="anonymous")
"""The caller of an open route."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks. `permissions` maps methods to permissions; an open route asks nothing and says why."""

    permissions: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False
    reason: str = ""

    def permission(self, method: str) -> str:
        """Return what the method asks; HEAD asks what GET does."""
        return self.permissions.get("GET" if method == "HEAD" else method, self.permissions.get("*", ""))


def requires(permission: str) -> Access:
    """Return the access of a route whose every method asks for the same permission."""
    return Access({"*": permission})


def open_access(reason: str) -> Access:
    """Return the access of a route that anybody may call; the reason is for the reader."""
    return Access(is_open=True, reason=reason)


class Authenticator(Protocol):
    """Tells who calls. identity/ has the one of API keys."""

    async def authenticate(self, request: Request, /) -> Principal:
        """Return the caller. Raises UnauthorizedError."""
