"""The resource `usergroups` and its action. Source: rest-api.md 2.15, 1.12.6; the capsule addon reads, makes and updates groups.

Who puts a user into a group gives that user all that the group gives, so must have it.
"""

from __future__ import annotations

from pydantic import Field
from starlette.responses import Response

from ..kit.errors import InvalidError
from ..kit.rest import Docs, Name, Reference, RequestContext, Resource, ResourceModel, Tags, Unique, read_object
from ..kit.rest.handlers import change
from ..kit.store import Index
from .acls import MAX_ROWS, SHOWN_ROLE, AccessRow
from .granting import GivingHooks
from .shown import GROUP_EXAMPLE

COLLECTION = "usergroups"


class UserGroup(ResourceModel):
    """Client-settable fields."""

    name: Name
    description: str = Field("", max_length=1_000)
    users: list[Reference] = Field(default_factory=list, max_length=10_000)
    acls: list[AccessRow] = Field(default_factory=list, max_length=MAX_ROWS)
    tags: Tags


class NewRows(ResourceModel):
    """The body of `update-acls`."""

    acls: list[AccessRow] = Field(max_length=MAX_ROWS)
    """The rows that the group has from now on."""


USERGROUPS = Resource(
    name=COLLECTION,
    title="Usergroup",
    noun="user group",
    model=UserGroup,
    defaults={"users": [], "acls": []},
    references={"users": "users"},
    expanded={"acls.roles": ("roles", SHOWN_ROLE)},
    unique=(Unique(("name",), 'The name "{name}" is taken by another user group.'),),
    indexes=(Index("users", (("users", 1),)),),
    hooks=GivingHooks(COLLECTION),
    docs=Docs(example=GROUP_EXAMPLE),
)


async def update_acls(context: RequestContext, /) -> Response:
    """Replace the rows of a group; needs If-Match, as a PATCH does."""
    body = await read_object(context.request)
    if set(body) != {"acls"}:
        text = 'The body must be {"acls": […]}, the rows that the group has from now on.'
        raise InvalidError(text, issues={"acls": text})
    return await change(context, context.resources[COLLECTION], {"acls": body["acls"]})
