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

from ..observe import Metrics, SpanKind, failed, span
from .answers import error_response

_SLASHES = re.compile(r"/{2,}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43,}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SERVER_ERROR = 500
_TRACE_HEADERS = frozenset({b"traceparent", b"tracestate"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class EdgeMiddleware:
    """The outermost layer."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, is_logging: bool = True) -> None:
        """Wrap the application."""
        self._app = app
        self._metrics = metrics
        self._is_logging = is_logging
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("rest")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "path": canonical(scope["path"])}
        request_id = _request_id(scope)
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        answer = _Answer(send, request_id)
        with structlog.contextvars.bound_contextvars(request_id=request_id), self._metrics.requests_in_progress.track_inprogress():
            await self._observed(scope, receive, answer)

    async def _observed(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Handle a request, then count, log and trace it under its route's template: never under its path or query, which may hold secrets."""
        method, started = scope["method"], time.perf_counter()
        with span(method, {"http.request.method": method}, kind=SpanKind.SERVER, headers=_trace_headers(scope)) as made:
            try:
                await self._guarded(scope, receive, answer)
            finally:
                route, status = getattr(scope.get("route"), "path", ""), answer.status
                made.update_name(f"{method} {route}".strip())
                about = {"http.route": route, "http.response.status_code": status, "cloudcasa.request_id": answer.request_id}
                made.set_attributes(about)
                if status >= _SERVER_ERROR:
                    failed(made, kind=str(status))
                seconds = time.perf_counter() - started
                self._metrics.request_ended(method=method, route=route, status=status, seconds=seconds)
                self._log_access(scope, route, status, seconds)

    def _log_access(self, scope: Scope, route: str, status: int, seconds: float) -> None:
        """Log who asked for what. Probes and scrapes, which come every few seconds, are only debug."""
        write = self._log.info if self._is_logging and route not in _QUIET else self._log.debug
        principal = scope["state"].get("principal_id", "")
        write("Request answered", method=scope["method"], route=route, status=status, seconds=round(seconds, 4), principal=principal)

    async def _guarded(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self._app(scope, receive, answer)
        except Exception:
            self._log.exception("A request failed unexpectedly", method=scope["method"], path=loggable(scope["path"]))
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
    return path.rstrip("/") or "/" if path.startswith(("/api/", "/api-docs/")) else path


def _request_id(scope: Scope) -> str:
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _trace_headers(scope: Scope) -> dict[str, str]:
    """Return the headers in which a caller may name its span."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name in _TRACE_HEADERS}
