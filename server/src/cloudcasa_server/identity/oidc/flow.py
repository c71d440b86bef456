"""A login on its way: what is remembered between leaving for a provider and coming back, in a sealed cookie of that browser.

Nothing is stored here, so nobody can fill the database by setting out. The cookie is bound to its state, so several tabs do not disturb each other,
and another browser that is made to open the way back (login CSRF) does not have it. A code can be used once; that is the provider's to see to.
"""

from __future__ import annotations

import hmac
from dataclasses import asdict, dataclass
from hashlib import sha256
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from ...kit.clock import Clock
from ...kit.crypto import Vault, VaultError
from ...kit.ids import new_token

COOKIE = "__Host-cloudcasa-login-"
LIFE_SECONDS = 600
MAX_NEXT = 1_500
"""Of a path to go on to: the cookie that holds it must fit into what browsers keep."""
_PLACE = "oidc-login"


@dataclass(frozen=True, slots=True)
class Flow:
    """One login."""

    provider: str
    state: str
    nonce: str
    verifier: str
    next: str
    expires_at: int
    invitation: str = ""
    """The id of the invitation whose link was opened first."""


@dataclass(frozen=True, slots=True)
class Flows:
    """Begins and recognises logins."""

    vault: Vault
    clock: Clock

    def begin(self, provider: str, *, next_path: str, invitation: str = "") -> Flow:
        """Return a new login."""
        expires_at = self.clock.timestamp() + LIFE_SECONDS
        return Flow(provider, new_token(), new_token(), new_token(64), safe_path(next_path), expires_at, invitation)

    def remember(self, response: Response, flow: Flow) -> None:
        """Put the login into the browser."""
        sealed = self.vault.seal(asdict(flow), aad=_PLACE)
        response.set_cookie(_cookie(flow.state), sealed, max_age=LIFE_SECONDS, path="/", secure=True, httponly=True, samesite="lax")

    def forget(self, response: Response, state: str) -> None:
        """Take the login out of the browser."""
        response.set_cookie(_cookie(state), "", max_age=0, path="/", secure=True, httponly=True, samesite="lax")

    def recall(self, request: Request, *, provider: str, state: str) -> Flow | None:
        """Return the login that this browser began with this provider, if it did, in time."""
        try:
            flow = Flow(**self.vault.open(request.cookies.get(_cookie(state), ""), aad=_PLACE))
        except (VaultError, TypeError):
            return None
        is_ours = hmac.compare_digest(flow.state.encode(), state.encode()) and flow.provider == provider
        return flow if is_ours and self.clock.timestamp() < flow.expires_at else None


def _cookie(state: str) -> str:
    return COOKIE + sha256(state.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def safe_path(text: str) -> str:
    """Return a path on this server to go on to: what could lead elsewhere, or into a header, is the front page instead."""
    if not text.startswith("/") or text.startswith("//") or "\\" in text or not text.isprintable():
        return "/"
    quoted = quote(text, safe="/?#&=%:@!$'()*+,;~[]-._")
    return quoted if len(quoted) <= MAX_NEXT else "/"
