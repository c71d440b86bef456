"""What the routes of signing in read and answer."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SecretStr

from ..kit.rest import ResourceModel, ShownModel


class Credentials(ResourceModel):
    """A login with a password kept here."""

    email: str = Field(max_length=1_000)
    password: SecretStr
    token: bool = False
    """Answer a token for `Authorization: Bearer`, for programs, instead of setting a cookie."""


class PasswordChange(ResourceModel):
    """A new password from who knows the old one."""

    old_password: SecretStr
    new_password: SecretStr


class LinkToken(ResourceModel):
    """The secret of a link that can be used once."""

    token: SecretStr


class PasswordByLink(ResourceModel):
    """A password from who has the link."""

    token: SecretStr
    password: SecretStr


class InvitationByProvider(ResourceModel):
    """An invitation, and the provider to accept it with."""

    token: SecretStr
    provider: str = Field(max_length=60)


class PreferenceChanges(ResourceModel):
    """Changes of one's preferences, merged object by object; null takes a key away."""

    preferences: dict[str, Any]


class SessionShown(ShownModel):
    """Who one is, and what one may do."""

    user: dict[str, Any]
    org: dict[str, Any]
    permissions: list[str]
    preferences: dict[str, Any]
    session: dict[str, Any] | None = None
    """Absent when an API key asks."""


class SignedIn(ShownModel):
    """A new session."""

    session: dict[str, Any]
    user: dict[str, Any]
    token: str | None = None
    status: str = Field(alias="_status")


class PasswordLinkShown(ShownModel):
    """A link that sets a password, once."""

    id: str = Field(alias="_id")
    password_link: str
    expires_at: int
    status: str = Field(alias="_status")


class Done(ShownModel):
    """It is done."""

    status: str = Field(alias="_status")
