"""Nobody gives more than they have: judged for everything that carries permissions (keys, groups, roles, memberships, invitations)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..kit.errors import ForbiddenError
from ..kit.rest import EVERYTHING, Grant, Principal, RequestContext, Resource, Scope
from ..kit.rest.access import Anchor
from ..kit.rest.belonging import area, lies_in
from ..kit.rest.sight import belongs_of


def refuse_more(context: RequestContext, grants: Iterable[Grant], /, *, what: str) -> None:
    """Refuse grants that the caller does not have. A pattern such as `policies.*` is had only as a pattern. Raises ForbiddenError."""
    if context.principal.scope(EVERYTHING).is_all:
        return
    for grant in grants:
        for permission in sorted(grant.permissions):
            if not _has(context.principal, permission, grant.scope, resources=context.resources):
                where = "there" if context.principal.allows(permission) else "yourself"
                text = f'You cannot give {what} the permission "{permission}": you do not have it {where}.'
                raise ForbiddenError(text)


def _has(principal: Principal, permission: str, wanted: Scope, *, resources: Mapping[str, Resource]) -> bool:
    held = principal.scope(permission)
    if held.is_all or wanted.is_all or not wanted:
        return held.is_all or (bool(held) and not wanted)
    return all(_covers(held, resources.get(name), anchors) for name, anchors in wanted.anchors.items())


def _covers(held: Scope, resource: Resource | None, anchors: Iterable[Anchor]) -> bool:
    if resource is None:
        return False
    query = area(held, belongs_of(resource))
    return all(lies_in(dict(anchor), query) for anchor in anchors)
