"""What becomes of identity documents that older servers stored; the numbers are given in migrations.py."""

from __future__ import annotations

from ..kit.store import Document, Update
from .rolebook import BuiltIn


def name_roles(key: Document, /) -> Update | None:
    """Name a key's roles as GET roles lists them: 0.1.0 knew `admin` and `viewer`, before there were roles."""
    roles = key.get("roles")
    if not isinstance(roles, list):
        return None
    named = [_named(role) for role in roles]
    return Update(set={"roles": named}) if named != roles else None


def _named(role: object) -> object:
    upper = role.upper() if isinstance(role, str) else ""
    return upper if upper in {BuiltIn.ADMIN.value, BuiltIn.VIEWER.value} else role
