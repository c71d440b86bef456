"""Who calls, what they may do and where, and what a route asks of them. Every route has an Access; a test walks them all (ADR 0016).

A permission is `<resource>.<operation>`; `*` on either side of a granted one means all. A grant holds everywhere, or only around some
documents, its anchors: kit/rest knows that a document can belong to another, the rooms say how (Resource.belongs), identity/ says who has what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import Request

from ..errors import ForbiddenError

READ, CREATE, UPDATE, DELETE = "read", "create", "update", "delete"
OPERATIONS: Mapping[str, str] = {"GET": READ, "POST": CREATE, "PUT": UPDATE, "PATCH": UPDATE, "DELETE": DELETE}
"""What each method of a resource is called in permissions."""
EVERYTHING = "*.*"

Anchor = Mapping[str, Any]
"""A document that others belong to: its `_id`, and what else the rooms need to tell what belongs to it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where something holds: everywhere, or around the documents named, by their resource. Empty: nowhere."""

    is_all: bool = False
    anchors: Mapping[str, tuple[Anchor, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether it is anywhere."""
        return self.is_all or any(self.anchors.values())

    @staticmethod
    def union(scopes: Iterable[Scope], /) -> Scope:
        """Return where at least one holds."""
        merged: dict[str, dict[str, Anchor]] = {}
        for scope in scopes:
            if scope.is_all:
                return EVERYWHERE
            for name, anchors in scope.anchors.items():
                merged.setdefault(name, {}).update((str(anchor["_id"]), anchor) for anchor in anchors)
        return Scope(anchors={name: tuple(anchors.values()) for name, anchors in merged.items()})


EVERYWHERE = Scope(is_all=True)
NOWHERE = Scope()


@dataclass(frozen=True, slots=True)
class Grant:
    """Permissions, and where they hold."""

    permissions: frozenset[str]
    scope: Scope = EVERYWHERE

    def allows(self, permission: str) -> bool:
        """Tell whether the permission, or a wider one, is granted."""
        resource, _, operation = permission.rpartition(".")
        return not self.permissions.isdisjoint({permission, f"{resource}.*", f"*.{operation}", EVERYTHING})


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller."""

    id: str
    email: str
    """Shown as cc_user_email of what the caller makes."""
    kind: str = "apikey"
    """apikey, user or anonymous; the server itself is `system`."""
    grants: tuple[Grant, ...] = ()

    def allows(self, permission: str) -> bool:
        """Tell whether the caller may do this anywhere."""
        return bool(self.scope(permission))

    def scope(self, permission: str) -> Scope:
        """Return where the caller may do this."""
        return Scope.union(grant.scope for grant in self.grants if grant.allows(permission))


ANONYMOUS = Principal(id="", email="", kind="anonymous")
"""The caller of an open route."""
SYSTEM = Principal(id="", email="", kind="system", grants=(Grant(frozenset({EVERYTHING})),))
"""The server itself, in the audit log."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks. `permissions` maps methods to permissions; an open route asks nothing and says why."""

    permissions: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False
    is_for_all: bool = False
    """Every caller who is known may, whatever the roles."""
    is_whole: bool = False
    """The permission must hold everywhere: for answers about the installation, which no scope restricts."""
    reason: str = ""
    refuses: frozenset[str] = frozenset()
    """Kinds of principals that are refused whatever they may do: `apikey` for what only people at a browser may see."""

    def permission(self, method: str) -> str:
        """Return what the method asks; HEAD asks what GET does."""
        return self.permissions.get("GET" if method == "HEAD" else method, self.permissions.get("*", ""))

    def check(self, principal: Principal, method: str) -> None:
        """Refuse a caller who may not do this anywhere. Raises ForbiddenError."""
        if principal.kind in self.refuses:
            raise ForbiddenError(_REFUSED_KIND.get(principal.kind, f'A caller of the kind "{principal.kind}" is not served here.'))
        permission = self.permission(method)
        if self.is_open or self.is_for_all:
            return
        scope = principal.scope(permission) if permission else NOWHERE
        if not scope:
            raise ForbiddenError(f'This needs the permission "{permission}", which your roles do not give.')
        if self.is_whole and not scope.is_all:
            raise ForbiddenError(f'This needs the permission "{permission}" everywhere, and you have it for some documents only.')


_REFUSED_KIND = {"apikey": "API Key access is not allowed for this resource. Log in as a user."}


def requires(permission: str, *, is_whole: bool = False) -> Access:
    """Return the access of a route whose every method asks for the same permission."""
    return Access({"*": permission}, is_whole=is_whole)


def open_access(reason: str) -> Access:
    """Return the access of a route that anybody may call; the reason is for the reader."""
    return Access(is_open=True, reason=reason)


def known_access(reason: str) -> Access:
    """Return the access of a route for every caller who is known; the reason is for the reader."""
    return Access(is_for_all=True, reason=reason)


class Authenticator(Protocol):
    """Tells who calls. identity/ has the one of API keys."""

    async def authenticate(self, request: Request, /) -> Principal:
        """Return the caller. Raises UnauthorizedError."""
