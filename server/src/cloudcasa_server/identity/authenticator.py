"""Who calls the API: an API key, a person's session by bearer token, or a person's session by cookie.

A bearer token goes first: no other site can make a browser send one. What is there and not good is refused, never passed over.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from ..kit.rest import Principal
from .cookies import SESSION_COOKIE, check_forgery
from .service import ApiKeys
from .sessions import PREFIX, Session, Sessions


@dataclass(frozen=True, slots=True)
class KnownCallers:
    """The Authenticator of the API."""

    keys: ApiKeys
    sessions: Sessions
    public_url: str

    async def authenticate(self, request: Request, /) -> Principal:
        """Return the caller. Raises UnauthorizedError, or ForbiddenError for a cookie that another site may have sent."""
        header = request.headers.get("authorization", "").strip()
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "bearer" and token.strip().startswith(PREFIX):
            return await self._session(request, token.strip())
        cookie = request.cookies.get(SESSION_COOKIE)
        if not header and cookie:
            check_forgery(request, public_url=self.public_url)
            return await self._session(request, cookie)
        return await self.keys.authenticate(request)

    async def _session(self, request: Request, token: str) -> Principal:
        session = await self.sessions.authenticate(token)
        request.state.session = session
        return session.principal


def session_of(request: Request, /) -> Session | None:
    """Return the session by which the caller is known, if it is one."""
    return getattr(request.state, "session", None)
