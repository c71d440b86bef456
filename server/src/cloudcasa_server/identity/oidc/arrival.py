"""From the person whom a provider vouches for to the user who signs in (ADR 0019).

Known by issuer and subject. Not known yet: by the invitation whose link was opened in this browser, by an invitation for an address that the
provider verified, or by the operator's lists. An address that is somebody else's here is refused; it is never a way into that user.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from ...kit.errors import AppError, ConflictError, ForbiddenError, InvalidError
from ...kit.store import Document, eq
from ..emails import canonical_email, find_email
from ..entrance import Entrance, Newcomer
from ..invitations import PENDING
from ..memberships import USERORGS
from ..users import USERS
from .admission import AdmissionRules
from .claims import Person


def identity_key(person: Person) -> str:
    """Return by what a person of a provider is found."""
    return "oidc:" + sha256(f"{len(person.issuer)}|{person.issuer}|{person.subject}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Changed:
    """A document that somebody's coming made or changed, for the audit log."""

    resource: str
    before: Document | None
    after: Document


@dataclass(frozen=True, slots=True)
class Arrived:
    """Who came in, and what that changed."""

    user: Document
    changes: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Turns persons into users."""

    entrance: Entrance
    rules: AdmissionRules

    async def user_of(self, person: Person, *, provider: str, name: str, invitation_id: str) -> Arrived:
        """Return the user, who is made when the person may come in. Raises ForbiddenError, ConflictError."""
        known = await self._known(person)
        user = known or await self._newcomer(person, provider=provider, name=name, invitation_id=invitation_id)
        if user.get("disabled"):
            raise ForbiddenError(f'The account "{user["email"]}" is disabled. Ask an administrator.')
        if user.get("admitted_by") == "list" and not self.rules.lets_in(person, provider=provider):
            raise _not_allowed(person, name)
        mapped = await self.entrance.memberships.map_roles(user["_id"], self.rules.roles(person, provider=provider))
        now = await self._refreshed(user, person)
        changes = [Changed(USERS.name, None, user)] if known is None else []
        changes += [Changed(USERORGS.name, before, after) for before, after in mapped]
        changes += [Changed(USERS.name, user, now)] if now is not user else []
        return Arrived(now, tuple(changes))

    async def _known(self, person: Person) -> Document | None:
        found = await self.entrance.users.collection.find(eq("identity_key", identity_key(person)), limit=1)
        return found[0] if found else None

    async def _newcomer(self, person: Person, *, provider: str, name: str, invitation_id: str) -> Document:
        newcomer = Newcomer(
            provider, identity_key(person), subject=person.subject, first_name=person.first_name, last_name=person.last_name
        )
        invitation = await self._invitation(person, invitation_id)
        try:
            if invitation is not None:
                return await self.entrance.accept(invitation, newcomer)
            if not self.rules.lets_in(person, provider=provider) or not person.is_verified:
                raise _not_allowed(person, name)
            return await self.entrance.admit(person.email, newcomer)
        except InvalidError as e:
            if twin := await self._known(person):  # another window of the same person was faster
                return twin
            text = (
                f'The e-mail address "{person.email}" belongs to a user who signs in in another way. Sign in that way; the two never mix.'
            )
            raise ConflictError(text) from e

    async def _invitation(self, person: Person, invitation_id: str) -> Document | None:
        """Return the invitation that the person may accept."""
        if not invitation_id:
            return await self.entrance.of_email(canonical_email(person.email)) if person.is_verified else None
        invitation = await self.entrance.invitations.find(invitation_id)
        if invitation is None or invitation["state"] != PENDING:
            raise ConflictError("This invitation was used or cancelled meanwhile.")
        if person.email and find_email(person.email) != invitation["email_key"]:
            text = f'The invitation is for "{invitation["email"]}", and you signed in as "{person.email}". Sign in with that account.'
            raise ForbiddenError(text)
        return invitation

    async def _refreshed(self, user: Document, person: Person) -> Document:
        """Follow the provider when the person's address changed there, unless somebody else here has it."""
        key = find_email(person.email) if person.is_verified else None
        if key is None or key == user["email_key"]:
            return user
        users = self.entrance.users
        changed = user | {"email": person.email, "email_key": key}
        values = {"email": person.email, "email_key": key, "_etag": users.etag(changed)}
        try:
            return await users.set(user["_id"], values, expected=eq("_etag", user["_etag"])) or user
        except AppError:
            return user


def _not_allowed(person: Person, name: str) -> ForbiddenError:
    who = f'as "{person.email}"' if person.email else "without an e-mail address"
    hint = "" if person.is_verified or not person.email else f' "{name}" does not say that this address is verified.'
    return ForbiddenError(
        f'"{name}" knows you {who}, but you are not on the list of those who may come in here.{hint} Ask an administrator.'
    )
