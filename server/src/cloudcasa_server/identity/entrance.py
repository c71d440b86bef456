"""Becoming a user: by an invitation with a password, or by an account at a provider that is allowed in or invited.

Who comes from a provider is known by issuer and subject and nothing else. An e-mail address lets nobody into a user that exists; it counts once,
for somebody who is not known yet, if the provider says that it was verified.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..kit.errors import AppError, ForbiddenError, UnauthorizedError
from ..kit.rest import Documents
from ..kit.store import And, Document, Update, eq
from .invitations import ACCEPTED, DECLINED, PENDING, taken
from .links import link_hash
from .memberships import Memberships
from .passwords import Passwords, check_password
from .users import LOCAL, new_parts

_UNKNOWN = "This invitation is not known, was used already, or its time is over. Ask for another one."


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Who becomes a user, and by which identity."""

    provider: str
    identity_key: str
    subject: str = ""
    password_hash: str = ""
    first_name: str = ""
    last_name: str = ""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Lets people in."""

    users: Documents
    invitations: Documents
    memberships: Memberships
    passwords: Passwords

    async def of_link(self, token: object) -> Document:
        """Return the open invitation of a link. Raises UnauthorizedError."""
        hashed = link_hash(token)
        found = await self.invitations.collection.find(eq("link.hash", hashed), limit=1) if hashed else []
        if not found or found[0]["state"] != PENDING or found[0]["expires_at"] <= self.users.clock.timestamp():
            raise UnauthorizedError(_UNKNOWN)
        return found[0]

    async def of_email(self, key: str) -> Document | None:
        """Return the open invitation of an e-mail address, if there is one."""
        found = await self.invitations.collection.find(And((eq("email_key", key), eq("state", PENDING))), limit=1)
        return found[0] if found and found[0]["expires_at"] > self.users.clock.timestamp() else None

    async def decline(self, token: object) -> Document:
        """Decline an invitation."""
        invitation = await self.of_link(token)
        return await self._move(invitation, DECLINED)

    async def accept_with_password(self, token: object, password: object) -> Document:
        """Make a local user of an invited person; return the user."""
        invitation = await self.of_link(token)
        hashed = await self.passwords.hash(check_password(password, email=invitation["email_key"]))
        return await self.accept(invitation, Newcomer(LOCAL, "", password_hash=hashed))

    async def accept(self, invitation: Document, newcomer: Newcomer) -> Document:
        """Make the user of an invitation, which is taken first and given back when that fails."""
        await self._move(invitation, ACCEPTED)
        fields = {key: invitation[key] for key in ("name", "email", "first_name", "last_name") if invitation.get(key)}
        try:
            user = self._new(fields, newcomer, admitted_by="invitation")
            await self._join(user, acls=invitation.get("acls") or [], groups=invitation.get("usergroups") or [])
        except AppError:
            back = Update(set={"state": PENDING, "link": invitation["link"]})
            await self.invitations.collection.update(invitation["_id"], back, expected=eq("state", ACCEPTED))
            raise
        return user

    async def admit(self, email: str, newcomer: Newcomer, /) -> Document:
        """Make a user of somebody on the list of those who are allowed in."""
        first, last = newcomer.first_name, newcomer.last_name
        fields = {
            "name": f"{first} {last}".strip()[:128] or email.partition("@")[0],
            "email": email,
            "first_name": first,
            "last_name": last,
        }
        return await self.make_member(fields, newcomer, admitted_by="list")

    async def make_member(self, fields: Document, newcomer: Newcomer, *, roles: Iterable[str] = (), admitted_by: str = "admin") -> Document:
        """Make a user, and a member of the organisation of that user."""
        user = self._new(fields, newcomer, admitted_by=admitted_by)
        await self._join(user, roles=roles)
        return user

    async def _join(self, user: Document, **gives: Iterable[Any]) -> None:
        """Store the membership, then the user: a user without one could sign in and do nothing, one without a user harms nobody."""
        await self.memberships.join(user["_id"], **gives)
        try:
            await self.users.insert(user)
        except AppError:
            await self.memberships.leave(user["_id"])
            raise

    def _new(self, fields: Document, newcomer: Newcomer, *, admitted_by: str) -> Document:
        document = self.users.new(fields)
        parts = new_parts(document, provider=newcomer.provider, identity_key=newcomer.identity_key)
        document |= parts | {"admitted_by": admitted_by}
        if newcomer.password_hash:
            document["credential"] = {"hash": newcomer.password_hash, "changed_at": document["_created"]}
        if newcomer.subject:
            document["subject"] = newcomer.subject
        return document

    async def _move(self, invitation: Document, state: str) -> Document:
        change = Update(set={"state": state, "_updated": self.users.clock.timestamp()}, unset=("link",))
        moved = await self.invitations.collection.update(invitation["_id"], change, expected=eq("state", PENDING))
        if moved is None:
            now = await self.invitations.find(invitation["_id"])
            raise taken(now) if now else ForbiddenError(_UNKNOWN)
        return moved
