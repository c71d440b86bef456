"""Nobody gives what they do not have: who hands out roles, groups or rows of access control must be allowed everything in them, everywhere."""

from __future__ import annotations

from collections.abc import Iterable

from ..kit.errors import ForbiddenError
from ..kit.rest import EVERYTHING, RequestContext
from ..kit.store import Document, In


async def check_grantable(
    context: RequestContext, *, roles: Iterable[str] = (), rows: Iterable[Document] = (), groups: Iterable[str] = ()
) -> None:
    """Raise ForbiddenError when there is something among these that the caller may not do."""
    if context.principal.scope(EVERYTHING).is_all:
        return
    all_rows = [*rows, *(row for group in await _find(context, "usergroups", groups) for row in group.get("acls", ()))]
    ids = {*roles, *(role if isinstance(role, str) else role["_id"] for row in all_rows for role in row.get("roles", ()))}
    wanted = {permission for row in all_rows for permission in row.get("permissions", ())}
    wanted |= {permission for role in await _find(context, "roles", ids) for permission in role.get("permissions", ())}
    lacking = sorted(permission for permission in wanted if not context.principal.scope(permission).is_all)
    if lacking:
        raise ForbiddenError(f'You cannot give the permission "{lacking[0]}", which you do not have yourself.')


async def _find(context: RequestContext, name: str, ids: Iterable[str]) -> list[Document]:
    wanted = tuple(ids)
    return await context.store.collection(name).find(In("_id", wanted), limit=len(wanted)) if wanted else []
