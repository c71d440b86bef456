"""What every request passes first: its path made canonical, an id for the log, and a JSON answer even to our own bugs.

Written as plain ASGI, because Starlette's BaseHTTPMiddleware buffers streams. Clients that end a base URL in `/` produce `//`, and others add a
slash at the end (rest-api.md 1.1): both mean the same resource.
"""

from __future__ import annotations

import re
import secrets
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .answers import error_response

_SLASHES = re.compile(r"/{2,}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43,}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class EdgeMiddleware:
    """The outermost layer."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "path": canonical(scope["path"])}
        request_id = _request_id(scope)
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        answer = _Answer(send, request_id)
        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._guarded(scope, receive, answer)
            seconds = round(time.monotonic() - started, 4)
            _log().debug("Request answered", method=scope["method"], path=loggable(scope["path"]), status=answer.status, seconds=seconds)

    async def _guarded(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self._app(scope, receive, answer)
        except Exception:
            _log().exception("A request failed unexpectedly", method=scope["method"], path=loggable(scope["path"]))
            if answer.status:
                raise
            text = f"The server failed unexpectedly. Its log has the reason under the request id {answer.request_id}."
            await error_response(500, text)(scope, receive, answer)


class _Answer:
    """Passes the answer on, with the request's id, and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", []), (b"x-request-id", self.request_id.encode())]}
        await self._send(message)


def loggable(path: str) -> str:
    """Return the path without the tokens that some addresses carry as their secret (kit/ids.new_token)."""
    return _TOKEN.sub("…", path)


def canonical(path: str) -> str:
    """Return the path without doubled and closing slashes."""
    path = _SLASHES.sub("/", path)
    return path.rstrip("/") or "/" if path.startswith("/api/") else path


def _request_id(scope: Scope) -> str:
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _log() -> structlog.stdlib.BoundLogger:
    log: structlog.stdlib.BoundLogger = structlog.get_logger("rest")
    return log
