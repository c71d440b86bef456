"""Rows of access control, as clients write them on groups, keys, memberships and invitations. Source: rest-api.md 2.15, 1.12.6.

A row says what is allowed (permissions, and those of roles) and where: `allresources` is everywhere; the name of a resource with resourceIds
is around these documents; without ids it is nowhere. Roles are shown as objects and accepted as ids, names or objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from ..kit.errors import InvalidError
from ..kit.ids import is_id
from ..kit.rest import RequestContext, ResourceModel
from ..kit.rest.sight import both
from ..kit.store import Document, In
from .anchors import remember
from .belonging import NAMESPACES
from .grants import ALL_RESOURCES
from .permissions import check_permissions
from .rolebook import find_roles

MAX_ROWS = 200
MAX_IDS = 1_000
"""Largest number of ids in all rows of a document together, and of roles: they become conditions of every list that its holders ask for."""
SHOWN_ROLE = ("_id", "id", "name", "type")
"""What is shown of a row's roles."""


class ShownRole(ResourceModel):
    """A role as it was read, sent back."""

    id_: str | None = Field(None, alias="_id")
    id: str | None = None
    name: str | None = None
    type: str | None = None


class AccessRow(ResourceModel):
    """One row."""

    resource: str = Field(min_length=1, max_length=100)
    resource_ids: list[str] = Field(default_factory=list, alias="resourceIds", max_length=MAX_IDS)
    permissions: list[str] = Field(default_factory=list, max_length=2_000)
    roles: list[str | ShownRole] = Field(default_factory=list, max_length=100)


async def settle_rows(
    context: RequestContext, rows: Sequence[Mapping[str, Any]], *, before: Sequence[Mapping[str, Any]] = ()
) -> list[Document]:
    """Return the rows as they are stored: judged, with roles by id; what they name is remembered. Raises InvalidError.

    Documents that the caller may not read are not there; ids that the rows had before may stay.
    """
    _check_size(rows)
    kept = {str(one).lower() for row in before for one in row.get("resourceIds") or ()}
    plain = [{**row, "roles": [_reference(role) for role in row.get("roles") or ()]} if "roles" in row else dict(row) for row in rows]
    roles = await find_roles(context.store, {role for row in plain for role in row.get("roles", ())})
    settled = []
    for row in plain:
        check_permissions(row.get("permissions") or (), known=context.permissions, field="acls")
        if unknown := [role for role in row.get("roles", ()) if role not in roles]:
            raise _refused(f'There is no role "{unknown[0][:60]}".')
        await _check_ids(context, row, kept=kept)
        settled.append(row | ({"roles": [roles[role]["_id"] for role in row["roles"]]} if "roles" in row else {}))
    return settled


def _check_size(rows: Sequence[Mapping[str, Any]]) -> None:
    for field in ("resourceIds", "roles"):
        if (count := sum(len(row.get(field) or ()) for row in rows)) > MAX_IDS:
            raise _refused(
                f"The rows have {count} {field} together; {MAX_IDS} are allowed. Make several groups, or name clusters, not namespaces."
            )


async def _check_ids(context: RequestContext, row: Document, *, kept: set[str]) -> None:
    name, ids = row["resource"], [str(one).lower() for one in row.get("resourceIds") or ()]
    if name == ALL_RESOURCES:
        if ids:
            raise _refused(f'A row for "{ALL_RESOURCES}" takes no resourceIds. Name the resource that they are of.')
        return
    resource = context.resources.get(name)
    if resource is None:
        raise _refused(f'There is no resource "{name[:60]}". Use "{ALL_RESOURCES}", or a name such as "{NAMESPACES}".')
    query = both(In("_id", tuple(ids)), context.visible(name))
    found = await context.store.collection(name).find(query) if ids else []
    known = kept | {one["_id"] for one in found}
    if missing := [one for one in ids if not is_id(one) or one not in known]:
        raise _refused(f'There is no {resource.noun} with the id "{missing[0][:40]}".')
    if name == NAMESPACES:
        await remember(context.store, found)


def _reference(role: object) -> str:
    if isinstance(role, Mapping):
        return str(role.get("_id") or role.get("id") or role.get("name") or "")
    return str(role)


def _refused(text: str) -> InvalidError:
    return InvalidError(text, issues={"acls": text})
