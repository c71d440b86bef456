"""What a provider says of a person, and whether it is the provider that says so. Pure: keys and times come in as arguments.

Source: OpenID Connect Core 1.0, 3.1.3.7. Symmetric algorithms and "none" are never taken, whatever a discovery document offers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from ..emails import find_email

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
LEEWAY_SECONDS = 60
MAX_TOKEN = 65_536
MAX_GROUPS = 1_000
MAX_SUBJECT = 255


class TokenError(Exception):
    """An ID token that is not good. The text holds no part of it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token must be for."""

    issuer: str
    client_id: str
    nonce: str
    now: int
    access_token: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Who came back from the provider."""

    issuer: str
    subject: str
    email: str = ""
    """As it was written; empty when there is none that is one."""
    is_verified: bool = False
    first_name: str = ""
    last_name: str = ""
    groups: tuple[str, ...] = ()


def verify_id_token(token: object, keys: Mapping[str, Any], expected: Expected, /) -> dict[str, Any]:
    """Return the claims of an ID token that this provider signed for us, now and for this login. Raises TokenError."""
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN:
        raise TokenError("there is no ID token of a usable size")
    try:
        registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
        decoded = jwt.decode(token, KeySet.import_key_set(keys), registry=registry)  # type: ignore[arg-type]  # a plain mapping
        _validate(decoded, expected)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as e:
        raise TokenError(f"its ID token is not valid ({type(e).__name__})") from e
    return dict(decoded.claims)


def _validate(decoded: jwt.Token, expected: Expected) -> None:
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        options={"iss": {"essential": True, "value": expected.issuer}, "aud": {"essential": True, "value": expected.client_id}},
        params={"nonce": expected.nonce, "client_id": expected.client_id, "access_token": expected.access_token},
    )
    claims.validate(now=expected.now, leeway=LEEWAY_SECONDS)
    subject = decoded.claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or decoded.claims.get("nonce") != expected.nonce:
        raise ValueError("sub or nonce")


def completed(claims: Mapping[str, Any], more: object, *, email_claim: str) -> dict[str, Any]:
    """Return the claims of an ID token with what user info adds, if it is of the same subject.

    That an address was verified is taken from there only for the very address that the token names.
    """
    if not isinstance(more, Mapping) or more.get("sub") != claims["sub"]:
        return dict(claims)
    is_other = email_claim in claims and more.get(email_claim) != claims[email_claim]
    added = {key: value for key, value in more.items() if not (is_other and key == "email_verified")}
    return added | dict(claims)


def person_of(claims: Mapping[str, Any], *, issuer: str, email_claim: str, groups_claim: str, trust_email: bool) -> Person:
    """Return what the claims say of the person; what is malformed counts as not said."""
    email = claims.get(email_claim)
    is_email = isinstance(email, str) and find_email(email) is not None
    return Person(
        issuer=issuer,
        subject=claims["sub"],
        email=str(email) if is_email else "",
        is_verified=is_email and (trust_email or claims.get("email_verified") is True),
        first_name=_text(claims.get("given_name")),
        last_name=_text(claims.get("family_name")),
        groups=tuple(_groups(claims.get(groups_claim))),
    )


def _text(value: object) -> str:
    return "".join(one for one in value if one.isprintable())[:128] if isinstance(value, str) else ""


def _groups(value: object) -> Iterable[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values[:MAX_GROUPS] if isinstance(one, str)]
