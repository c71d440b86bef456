"""What people do with their own accounts: sign in with a password, change it, set one by a link.

Whoever fails to sign in learns nothing by it: the same sentence, after the same work, for a wrong password, an unknown address and a user of a
provider. Setting a password begins a new epoch, which ends every session of the user (sessions.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..kit.errors import ConflictError, ForbiddenError, NotFoundError, UnauthorizedError
from ..kit.rest import Documents
from ..kit.store import And, Compare, Document, Update, eq
from .emails import find_email
from .links import Link, Links, link_hash
from .passwords import Passwords, check_password
from .throttle import Throttle
from .users import LOCAL

_WRONG = "The e-mail address or the password is wrong."


@dataclass(frozen=True, slots=True)
class Accounts:
    """Passwords of local users."""

    users: Documents
    passwords: Passwords
    throttle: Throttle
    links: Links
    is_open: bool
    """Whether passwords are accepted at all."""

    async def sign_in(self, email: object, password: object, *, address: str) -> Document:
        """Return the user that these are of. Raises UnauthorizedError, TooManyRequestsError."""
        self._refuse_closed()
        key = find_email(email)
        user = await self._find(key) if key else None
        account = key or str(email)[:254]
        await self.verify(user, password, account=account, address=address, refusal=_WRONG)
        if user is None or user.get("disabled"):
            raise UnauthorizedError(f'The account "{key}" is disabled. Ask an administrator.')
        await self._rehash(user, password)
        return user

    def _refuse_closed(self) -> None:
        if not self.is_open:
            raise ForbiddenError("Signing in with a password is switched off here. Use one of the providers.")

    async def end_sessions(self, user: Document) -> None:
        """Begin a new epoch: every session of the user is void."""
        await self.users.collection.update(user["_id"], Update(increment={"epoch": 1}))

    async def verify(self, user: Document | None, password: object, *, account: str, address: str, refusal: str) -> None:
        """Return when this is the user's password. Counts the try first; raises UnauthorizedError with the refusal."""
        counted = await self.throttle.admit(account=account, address=address)
        hashed = (user.get("credential") or {}).get("hash") if user and user.get("provider") == LOCAL else None
        if not await self.passwords.verify(password, hashed):
            raise UnauthorizedError(refusal)
        await self.throttle.succeeded(counted)

    async def _find(self, key: str) -> Document | None:
        found = await self.users.collection.find(eq("email_key", key), limit=1)
        return found[0] if found else None

    async def _rehash(self, user: Document, password: object) -> None:
        """Hash anew when the parameters were changed, unless the password was changed meanwhile."""
        hashed = user["credential"]["hash"]
        if self.passwords.is_outdated(hashed):
            new = await self.passwords.hash(str(password))
            await self.users.set(user["_id"], {"credential.hash": new}, expected=eq("credential.hash", hashed))

    async def change_password(self, user: Document, *, old: object, new: object, address: str) -> Document:
        """Set a new password for who knows the old one; return the user of the new epoch."""
        if user.get("provider") != LOCAL:
            raise ConflictError(f'You sign in with the provider "{user.get("provider")}". Change the password there.')
        wanted = check_password(new, email=user["email_key"], field="new_password")
        refusal = "The old password is wrong."
        await self.verify(user, old, account=user["email_key"], address=address, refusal=refusal)
        hashed = await self.passwords.hash(wanted)
        same = And((eq("credential.hash", user["credential"]["hash"]), eq("epoch", user["epoch"])))
        changed = await self._begin_epoch(user["_id"], hashed, expected=same)
        if changed is None:
            raise ConflictError("Your password was changed by another request at the same moment. Sign in again.")
        return changed

    async def _begin_epoch(self, user_id: str, hashed: str, *, expected: Compare | And) -> Document | None:
        """Set the hash, void links and end every session, in one step."""
        now = self.users.clock.timestamp()
        values = {"credential": {"hash": hashed, "changed_at": now}, "_updated": now}
        change = Update(set=values, unset=("link",), increment={"epoch": 1})
        return await self.users.collection.update(user_id, change, expected=expected)

    async def new_link(self, user: Document) -> Link:
        """Make a link that sets the password of a local user; the last one made is the one that counts."""
        if user.get("provider") != LOCAL:
            raise ConflictError(f'"{user["name"]}" signs in with the provider "{user.get("provider")}" and has no password here.')
        link = self.links.new()
        if await self.users.set(user["_id"], {"link": link.stored}) is None:
            raise NotFoundError(f'There is no user with the id "{user["_id"]}".')
        return link

    async def of_link(self, token: object) -> Document:
        """Return the user whose password the link sets. Raises UnauthorizedError."""
        hashed = link_hash(token)
        found = await self.users.collection.find(eq("link.hash", hashed), limit=1) if hashed else []
        if not found or found[0]["link"]["expires_at"] <= self.users.clock.timestamp():
            raise UnauthorizedError("This link is not known, was used already, or its time is over. Ask an administrator for another one.")
        return found[0]

    async def set_by_link(self, token: object, password: object) -> Document:
        """Set the password of the link's user, once; return the user of the new epoch."""
        self._refuse_closed()
        user = await self.of_link(token)
        wanted = check_password(password, email=user["email_key"])
        if user.get("disabled"):
            raise ForbiddenError("This account is disabled. Ask an administrator.")
        changed = await self._begin_epoch(user["_id"], await self.passwords.hash(wanted), expected=eq("link.hash", user["link"]["hash"]))
        if changed is None:
            raise UnauthorizedError("This link was used at the same moment by another request.")
        return changed
