"""The resource `roles`: named sets of permissions. Source: rest-api.md 2.15.

A custom role gives no more than whoever writes it has. It can be given anywhere, so its writer must have everything in it everywhere.
"""

from __future__ import annotations

from pydantic import Field

from ..kit.errors import ForbiddenError, InvalidError
from ..kit.rest import Docs, Grant, Hooks, Name, RequestContext, Resource, ResourceModel, Tags, Unique
from ..kit.store import Document
from .caches import Caches
from .escalation import refuse_more
from .holders import holders_of_role
from .permissions import check_permissions
from .rolebook import COLLECTION, BuiltIn
from .shown import ROLE_EXAMPLE, RoleShown


class RoleFields(ResourceModel):
    """Client-settable fields."""

    name: Name
    description: str = Field("", max_length=1_000)
    permissions: list[str] = Field(max_length=2_000)
    tags: Tags


class RoleHooks(Hooks):
    """Keep the built-in roles as they are, and custom ones within what their writer has."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Judge a new role."""
        _refuse_builtin_name(document)
        check_permissions(document["permissions"], known=context.permissions)
        refuse_more(context, [Grant(frozenset(document["permissions"]))], what=f'the role "{document["name"]}"')
        return document

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Judge a change; what was there and stays may stay."""
        _refuse_builtin(old, "change")
        _refuse_builtin_name(new)
        if old["name"] != new["name"] and (holders := await holders_of_role(context, old["name"])):
            text = f'Cannot rename the role "{old["name"]}": {", ".join(holders)} have it by its name. Give it by its id there first.'
            raise InvalidError(text, issues={"name": text})
        if set(old["permissions"]) != set(new["permissions"]):
            check_permissions(new["permissions"], known=context.permissions)
            refuse_more(context, [Grant(frozenset(new["permissions"]))], what=f'the role "{new["name"]}"')
        return new

    async def after_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Make the change count at once."""
        context.service(Caches).forget()
        return new

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Refuse to delete what is built in or given to somebody."""
        _refuse_builtin(document, "delete")
        if holders := await holders_of_role(context, document["_id"], document["name"]):
            text = f'Cannot delete the role "{document["name"]}": given to {", ".join(holders)}. Give another role there first.'
            raise InvalidError(text, issues={"_id": text})

    async def after_delete(self, context: RequestContext, document: Document, /) -> None:
        """Make the deletion count at once."""
        context.service(Caches).forget()


def _refuse_builtin(document: Document, verb: str) -> None:
    if document.get("type") == "BUILTIN":
        raise ForbiddenError(f'The role "{document["name"]}" is built in: nobody can {verb} it. Make a role of your own instead.')


def _refuse_builtin_name(document: Document) -> None:
    if document["name"].upper() in set(BuiltIn):
        text = f'The name "{document["name"]}" is that of a built-in role.'
        raise InvalidError(text, issues={"name": text})


ROLES = Resource(
    name=COLLECTION,
    title="Role",
    noun="role",
    model=RoleFields,
    initial=lambda: {"type": "CUSTOM"},
    unique=(Unique(("name",), 'The name "{name}" is taken by another role.'),),
    hooks=RoleHooks(),
    docs=Docs(shown=RoleShown, example=ROLE_EXAMPLE),
)
