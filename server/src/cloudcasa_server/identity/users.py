"""The resource `users`: people who may sign in. Source: rest-api.md 2.15. Answers people only, no API keys.

A user has one identity: a password here, or one account at one OpenID provider (`provider` says which). The two never mix, also not when their
e-mail addresses are the same (identity_key is unique and the address is too). A POST makes a user who has no password yet; its answer holds the
link, once, by which that person sets one.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from ..kit.errors import ConflictError, InvalidError
from ..kit.rest import Docs, Hooks, Name, RequestContext, Resource, ResourceModel, Unique
from ..kit.store import Document, Index
from .emails import canonical_email
from .escalation import refuse_more
from .grants import principal_of_user
from .holders import holders_of
from .links import Links
from .memberships import Memberships, refuse_default_role
from .sessions import Sessions
from .shown import USER_EXAMPLE, UserShown

COLLECTION = "users"
LOCAL = "local"
"""The `provider` of who signs in with a password kept here."""


class MultiFactor(ResourceModel):
    """A second factor."""

    enabled: bool = False
    multifactor: list[str] = Field(default_factory=list, max_length=10)

    @field_validator("enabled")
    @classmethod
    def _is_off(cls, value: bool) -> bool:
        if value:
            raise ValueError("A second factor is not built yet for passwords kept here. Use an OpenID provider that asks for one.")
        return value


class User(ResourceModel):
    """Client-settable fields."""

    name: Name
    email: str
    first_name: str = Field("", max_length=128)
    last_name: str = Field("", max_length=128)
    paid: bool = False
    send_alert_emails: bool = False
    servicetier: str = Field("", max_length=60)
    mfa: MultiFactor | None = None
    disabled: bool = False
    """Whether the person is kept out; ends every session at once."""
    tags: dict[str, str] = Field(default_factory=dict)

    @field_validator("email")
    @classmethod
    def _is_email(cls, value: str) -> str:
        canonical_email(value)
        return value


def new_parts(document: Document, *, provider: str = LOCAL, identity_key: str = "") -> Document:
    """Return what the server owns of a new user."""
    return {
        "email_key": canonical_email(document["email"]),
        "identity_key": identity_key or f"{LOCAL}:{document['_id']}",
        "provider": provider,
        "epoch": 0,
    }


class UserHooks(Hooks):
    """What happens around a user."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Make a local user without a password, and the link that sets one. Who makes a user gives the default role."""
        await refuse_default_role(context, document)
        link = context.service(Links).new()
        context.request.state.password_link = link.url
        return document | new_parts(document) | {"link": link.stored}

    async def after_create(self, context: RequestContext, document: Document, /) -> Document:
        """Make the user a member."""
        await context.service(Memberships).join(document["_id"])
        return document

    async def present(self, context: RequestContext, document: Document, /) -> Document:
        """Show the link in the answer to the POST that made it."""
        link = getattr(context.request.state, "password_link", None)
        return document | {"password_link": link} if link else document

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Keep the name that a provider gave, and nobody from locking themselves out."""
        key = canonical_email(new["email"])
        if old.get("disabled") and "disabled" not in new:
            new = new | {"disabled": True}  # a PUT that does not know of it lets nobody back in
        if key != old["email_key"] and old["provider"] != LOCAL:
            raise _refused("email", f'The e-mail address of "{old["name"]}" comes from the provider "{old["provider"]}". Change it there.')
        if new.get("disabled") and not old.get("disabled"):
            new = await self._shut_out(context, old, new)
        if old.get("disabled") and not new.get("disabled"):
            user = await principal_of_user(old, store=context.store)
            refuse_more(context, user.grants, what=f'"{old["name"]}" again')
        return new | {"email_key": key}

    async def _shut_out(self, context: RequestContext, old: Document, new: Document) -> Document:
        if old["_id"] == context.principal.id:
            raise _refused("disabled", "You cannot disable yourself. Ask another administrator.")
        await holders_of(context).refuse_lockout(COLLECTION, new)
        return new | {"epoch": old.get("epoch", 0) + 1}

    async def after_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Drop the sessions of who was disabled."""
        if new.get("disabled"):
            await context.service(Sessions).end_all(new["_id"])
        return new

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Keep people from deleting themselves by mistake."""
        if document["_id"] == context.principal.id:
            raise ConflictError("You cannot delete yourself. Ask another administrator.")
        await holders_of(context).refuse_lockout(COLLECTION, document, is_gone=True)

    async def after_delete(self, context: RequestContext, document: Document, /) -> None:
        """Forget everything about the user."""
        await context.service(Sessions).end_all(document["_id"])
        await context.service(Memberships).leave(document["_id"])
        await context.store.collection("userstates").delete(document["_id"])


def _refused(field: str, text: str) -> InvalidError:
    return InvalidError(text, issues={field: text})


USERS = Resource(
    name=COLLECTION,
    title="User",
    noun="user",
    model=User,
    hidden=frozenset({"email_key", "identity_key", "subject", "epoch", "credential", "link", "admitted_by"}),
    unique=(
        Unique(("email_key",), 'Another user has the e-mail address "{email}".'),
        Unique(("identity_key",), "Another user has this identity."),
    ),
    indexes=(Index("link", (("link.hash", 1),)),),
    refuses=frozenset({"apikey"}),
    hooks=UserHooks(),
    docs=Docs(shown=UserShown, example=USER_EXAMPLE),
)


def shown(user: Document, /) -> dict[str, Any]:
    """Return what a session says of its own user."""
    keys = ("_id", "name", "email", "first_name", "last_name", "provider")
    return {key: user[key] for key in keys if key in user}
