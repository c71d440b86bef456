"""What an operator says of an OpenID provider: one object in the JSON list CLOUDCASA_OIDC_PROVIDERS. docs/admin/oidc.md explains each field."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

RESERVED = frozenset({"local", "login", "logout", "providers", "sessions", "invitation", "password", "link", "system"})
_ID = re.compile(r"[a-z][a-z0-9-]{0,30}")


class ProviderSettings(BaseModel):
    """An OpenID provider that people may sign in with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    """Short name in addresses and lists: lower-case letters, digits and hyphens. It must stay as it is once people signed in."""
    name: str = Field(min_length=1, max_length=60)
    """What the button says."""
    issuer: str
    """The provider's issuer, an https URL; its discovery document lies below it."""
    client_id: str = Field(min_length=1)
    client_secret: SecretStr | None = None
    """The client's secret. Better in a file. None: a public client, which PKCE alone protects."""
    client_secret_file: Path | None = None
    """File of the client's secret, read at each sign-in, so that it can be exchanged without a restart."""
    ca_file: Path | None = None
    """PEM file of the CA that signed the provider's certificate. Default: the system's."""
    scopes: list[str] = ["openid", "email", "profile"]
    endpoint_hosts: list[str] = []
    """Further hosts that the discovery document may name for its endpoints. Default: the issuer's own only."""
    email_claim: str = "email"
    """Claim with the user's e-mail address. Default "email"."""
    trust_email: bool = False
    """Take every e-mail address of this provider as verified, for one that does not say so (email_verified). Default false."""
    groups_claim: str = "groups"
    """Claim with the user's groups. Default "groups"."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not _ID.fullmatch(self.id) or self.id in RESERVED:
            raise ValueError(
                f'The id "{self.id}" of an OpenID provider must be lower-case letters, digits and hyphens, and no reserved word.'
            )
        parts = urlsplit(self.issuer)
        if not parts.hostname or parts.query or parts.fragment or not is_safe_scheme(self.issuer):
            raise ValueError(f'The issuer of the OpenID provider "{self.id}" must be an https URL, not "{self.issuer}".')
        if self.client_secret and self.client_secret_file:
            raise ValueError(f'Give the OpenID provider "{self.id}" a client_secret or a client_secret_file, not both.')
        if "openid" not in self.scopes:
            raise ValueError(f'The scopes of the OpenID provider "{self.id}" must have "openid".')
        return self


def is_safe_scheme(url: str) -> bool:
    """Tell whether secrets may go there: https, or the loopback address in a test."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    try:
        return parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
