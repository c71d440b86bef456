"""What whoever holds the machine may do without signing in: make an administrator, and a link that sets a password. Used by the command line."""

from __future__ import annotations

from ..kit.errors import InvalidError, NotFoundError
from ..kit.store import eq
from .emails import canonical_email, find_email, name_of
from .entrance import Newcomer
from .memberships import role_ids
from .passwords import check_password
from .people import People
from .users import LOCAL

ADMIN = "ADMIN"


async def create_admin(people: People, /, *, email: str, password: str, name: str = "") -> None:
    """Make a local user with the role ADMIN. Raises InvalidError."""
    try:
        key = canonical_email(email)
    except ValueError as e:
        raise InvalidError(str(e)) from e
    checked = check_password(password, email=key)
    if await people.users.collection.count(eq("email_key", key)):
        raise InvalidError(f'Another user has the e-mail address "{email}". To set a new password: cloudcasa-server password-link.')
    newcomer = Newcomer(LOCAL, "", password_hash=await people.accounts.passwords.hash(checked))
    roles = await role_ids(people.users.store, [ADMIN])
    await people.entrance.make_member({"name": name or name_of(email), "email": email}, newcomer, roles=roles)


async def password_link(people: People, /, *, email: str) -> str:
    """Return a link that sets the password of a local user, once."""
    found = await people.users.collection.find(eq("email_key", find_email(email) or ""), limit=1)
    if not found:
        raise NotFoundError(f'There is no user with the e-mail address "{email}".')
    return (await people.accounts.new_link(found[0])).url
