"""Invitations: the resource `orginvites`, and what the invited person does with one. Source: rest-api.md 2.15.

The answer to the POST holds the link, once: there may be no mail server, so the inviter hands it on. Accepting makes a user who sets a password,
or is bound to an account at a provider that vouches for the same e-mail address. The invitation is taken by a compare-and-set on its state
before anything is made, so two who accept the same one at once make one user.
"""

from __future__ import annotations

from pydantic import Field, field_validator

from ..kit.errors import ConflictError, InvalidError
from ..kit.rest import Docs, Hooks, Name, Reference, RequestContext, Resource, ResourceModel
from ..kit.store import And, Compare, Document, Index, Store, Update, eq
from .acls import MAX_ROWS, SHOWN_ROLE, AccessRow
from .emails import canonical_email, name_of
from .granting import settle_giving, undo_create
from .links import Links
from .memberships import refuse_default_role
from .orgs import ORGS, the_organisation
from .shown import INVITATION_EXAMPLE, InvitationShown

COLLECTION = "orginvites"
PENDING, ACCEPTED, DECLINED, EXPIRED = "PENDING", "ACCEPTED", "DECLINED", "EXPIRED"
MAX_DAYS = 90
DAY_SECONDS = 86_400


class Invitation(ResourceModel):
    """Client-settable fields."""

    email: str
    first_name: str = Field(max_length=128)
    last_name: str = Field(max_length=128)
    name: Name | None = None
    """Default: what stands before the @ of the address."""
    org: Reference | None = None
    expires_in_days: int = Field(7, ge=1, le=MAX_DAYS)
    usergroups: list[Reference] = Field(default_factory=list, max_length=50)
    acls: list[AccessRow] = Field(default_factory=list, max_length=MAX_ROWS)
    tags: dict[str, str] = Field(default_factory=dict)

    @field_validator("email")
    @classmethod
    def _is_email(cls, value: str) -> str:
        canonical_email(value)
        return value


class InvitationHooks(Hooks):
    """What happens around an invitation."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Complete the invitation and make its link."""
        key = canonical_email(document["email"])
        await _refuse_known(context.store, key, document["email"])
        org = await the_organisation(context.documents(ORGS.name))
        if document.get("org", org["_id"]) != org["_id"]:
            raise _refused("org", "There is one organisation here. Leave org out.")
        document |= {"name": document.get("name") or name_of(document["email"]), "acls": document.get("acls", [])}
        document = await settle_giving(context, document)
        if not document["acls"] and not document["usergroups"]:
            await refuse_default_role(context, document)
        link = context.service(Links).new(page="invitation", seconds=document["expires_in_days"] * DAY_SECONDS)
        context.request.state.invitation_link = link.url
        made = {"org": org["_id"], "inviter": context.principal.email} | document
        return made | {"email_key": key, "link": link.stored, "expires_at": link.stored["expires_at"]}

    async def after_create(self, context: RequestContext, document: Document, /) -> Document:
        """Keep to one open invitation of a person, also where two are made at once."""
        if await context.store.collection(COLLECTION).count(_open_of(document["email_key"])) > 1:
            await undo_create(context, COLLECTION, document, _invited(document["email"]))
        return document

    async def present(self, context: RequestContext, document: Document, /) -> Document:
        """Show the link in the answer to the POST that made it."""
        link = getattr(context.request.state, "invitation_link", None)
        return document | {"invitation_link": link} if link else document


async def _refuse_known(store: Store, key: str, email: str) -> None:
    if await store.collection("users").count(eq("email_key", key)):
        raise _refused("email", f'"{email}" is a user already.')
    if await store.collection(COLLECTION).count(_open_of(key)):
        raise _invited(email)


def _open_of(key: str) -> And:
    return And((eq("email_key", key), eq("state", PENDING)))


def _invited(email: str) -> InvalidError:
    return _refused("email", f'"{email}" is invited already. Cancel that invitation before you make another.')


def _refused(field: str, text: str) -> InvalidError:
    return InvalidError(text, issues={field: text})


def taken(invitation: Document) -> ConflictError:
    """Return the error of an invitation that is not open any more."""
    return ConflictError(f'The invitation of "{invitation["email"]}" is {invitation["state"]} already.')


async def expire(store: Store, *, now: int) -> None:
    """Mark what nobody accepted in time."""
    late = And((eq("state", PENDING), Compare("expires_at", "lte", now)))
    collection = store.collection(COLLECTION)
    for invitation in await collection.find(late, limit=1_000):
        await collection.update(
            invitation["_id"], Update(set={"state": EXPIRED, "_updated": now}, unset=("link",)), expected=eq("state", PENDING)
        )


ORGINVITES = Resource(
    name=COLLECTION,
    title="Orginvite",
    noun="invitation",
    model=Invitation,
    defaults={"expires_in_days": 7, "usergroups": []},
    initial=lambda: {"state": PENDING},
    hidden=frozenset({"email_key", "link"}),
    references={"org": "orgs", "usergroups": "usergroups"},
    expanded={"acls.roles": ("roles", SHOWN_ROLE)},
    unique=(),
    indexes=(
        Index("link", (("link.hash", 1),)),
        Index("email_key", (("email_key", 1), ("state", 1))),
        Index("state", (("state", 1), ("expires_at", 1))),
    ),
    methods=frozenset({"list", "get", "create", "delete"}),
    hooks=InvitationHooks(),
    docs=Docs(shown=InvitationShown, example=INVITATION_EXAMPLE),
)
