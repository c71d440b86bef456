"""Which permissions there are: those that the declared routes ask for. Source: rest-api.md 2.15 (`rbac/permissions`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..kit.errors import InvalidError
from ..kit.rest import EVERYTHING, RequestContext
from .rolebook import find_roles


def check_permissions(permissions: Iterable[str], *, known: frozenset[str], field: str = "permissions") -> None:
    """Refuse what is not a permission. Raises InvalidError."""
    resources = {permission.rpartition(".")[0] for permission in known}
    operations = {permission.rpartition(".")[2] for permission in known}
    allowed = known | {f"{one}.*" for one in resources} | {f"*.{one}" for one in operations} | {EVERYTHING}
    if unknown := sorted(set(permissions) - allowed):
        text = f'There is no permission "{unknown[0][:80]}". GET rbac/permissions lists them; `*` stands for every resource or operation.'
        raise InvalidError(text, issues={field: text})


async def list_permissions(context: RequestContext, /) -> Mapping[str, Any]:
    """List every permission that a role can have, each as resource and operation."""
    parts = (permission.rpartition(".") for permission in sorted(context.permissions))
    items = [{"resource": resource, "operation": operation} for resource, _, operation in parts]
    return {
        "_items": items,
        "_meta": {"page": 1, "max_results": len(items), "total": len(items)},
        "_links": {"parent": {"title": "home", "href": "/"}, "self": {"title": "rbac/permissions", "href": "/v1/rbac/permissions"}},
    }


async def check_roles(context: RequestContext, references: Sequence[str]) -> None:
    """Refuse roles that there are not, by id or name. Raises InvalidError."""
    known = await find_roles(context.store, references)
    if unknown := [one for one in references if one not in known]:
        text = f'There is no role "{unknown[0][:60]}". Give the id or name of one of those that GET roles lists.'
        raise InvalidError(text, issues={"roles": text})
