"""The session cookie, and what keeps other sites from using it (ADR 0018).

`__Host-`: browsers keep it for this host alone, over TLS alone, for every path. `Lax`, since a login that comes back from a provider would not
be known under `Strict`. A request that changes something and shows the cookie must carry a header that no form of another site can send,
and must not say that it comes from another site.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from ..kit.errors import ForbiddenError

SESSION_COOKIE = "__Host-cloudcasa-session"
HEADER = "x-requested-with"
"""Any value will do: a page of another origin cannot set it without asking first (CORS), and is not answered."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})


def set_session(response: Response, token: str, *, max_age: int) -> None:
    """Give the browser its session."""
    response.set_cookie(SESSION_COOKIE, token, max_age=max_age, path="/", secure=True, httponly=True, samesite="lax")


def clear_session(response: Response) -> None:
    """Take the browser's session away."""
    response.set_cookie(SESSION_COOKIE, "", max_age=0, path="/", secure=True, httponly=True, samesite="lax")


def check_forgery(request: Request, /, *, public_url: str) -> None:
    """Refuse a request that changes something by a cookie and may come from another site's page."""
    if request.method in SAFE_METHODS:
        return
    check_origin(request, public_url=public_url)
    if not request.headers.get(HEADER):
        text = 'A change by session cookie needs the header "X-Requested-With", such as X-Requested-With: cloudcasa.'
        raise ForbiddenError(text)


def check_origin(request: Request, /, *, public_url: str) -> None:
    """Refuse what a browser says comes from another site's page. Programs say nothing of the kind."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    is_own = origin is None or _place(origin) in {_place(public_url), ("https", *_host(request)), ("http", *_host(request))}
    if (site is not None and site not in _OWN) or not is_own:
        raise ForbiddenError(
            "This request comes from a page of another site and is refused. Open this server's own page and try again there."
        )


def _host(request: Request) -> tuple[str, int | None]:
    return _place(f"http://{request.headers.get('host', '')}")[1:]


def _place(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ("", "", None)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return (parts.scheme, parts.hostname or "", None if port == default else port)
