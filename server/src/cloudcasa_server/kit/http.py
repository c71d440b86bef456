"""HTTP/1.1 as uvicorn reads it with httptools, with what that lacks: bounds on a head, deadlines for slow senders, refusals in the form of the API.

httptools is several times as fast as h11, but takes heads, trailers and chunk extensions of any size into memory, and uvicorn waits for a
request without end, so a handful of clients that send a byte a minute could hold every connection. What is no HTTP at all (a blank in the
path, a head too large) never reaches the application, and is answered here. Given to uvicorn by __main__.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import ClassVar, Literal

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 262_144
"""Largest request line with headers."""
MAX_URL_BYTES = 65_535
"""Longest address with its query: httptools counts in 16 bits."""
HEAD_SECONDS = 15.0
"""Longest a request's first line and headers may take from the first byte, or from connecting."""
BODY_SECONDS = 60.0
"""Longest a body may take: its 1 MiB at 18 kB/s."""

Phase = Literal["request", "body"]
"""What is being waited for."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    head_seconds: ClassVar[float] = HEAD_SECONDS
    body_seconds: ClassVar[float] = BODY_SECONDS
    url: bytes = b""
    """Of the request being read; uvicorn sets it when one begins."""
    _reading: Phase | None = None
    """What the parser is in the middle of."""
    _awaited: Phase | None = None
    _deadline: asyncio.TimerHandle | None = None
    _bytes_without_body = 0
    """How much arrived since the last piece of a body or the last request's end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._wait_for(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what arrived, if it is not too much, then see what is to come."""
        self._bytes_without_body += len(data)
        super().data_received(data)
        if self._bytes_without_body > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's head is too large.")
        self._watch()

    def on_message_begin(self) -> None:
        """Read a head."""
        self._reading = "request"
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Read a body."""
        super().on_headers_complete()
        self._reading = "body"

    def on_body(self, body: bytes) -> None:
        """Count anew what is no body."""
        self._bytes_without_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Read nothing until the next request."""
        self._reading = None
        self._bytes_without_body = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the websocket, which has deadlines of its own."""
        super().handle_websocket_upgrade()
        self._wait_for(None)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or has an address that the parser cannot count."""
        if len(self.url) > MAX_URL_BYTES:
            text = f"The address and its query are {len(self.url)} bytes long; {MAX_URL_BYTES} are allowed. Send a shorter filter."
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG, text)
            return
        self._refuse(HTTPStatus.BAD_REQUEST, "This is not an HTTP request.")

    @property
    def _running(self) -> RequestResponseCycle | None:
        """Return the request that is not answered yet."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle if cycle is not None and not cycle.response_complete else None

    def _watch(self) -> None:
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._wait_for(None)
        elif self._reading == "body":
            self._wait_for("body")
        else:
            self._wait_for(None if self._running else "request")

    def _wait_for(self, phase: Phase | None) -> None:
        """Give the phase its time; one that goes on keeps what it was given."""
        if phase is self._awaited:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._awaited, self._deadline = phase, None
        if phase is not None:
            seconds = self.head_seconds if phase == "request" else self.body_seconds
            self._deadline = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"The {self._awaited} was not sent in time. Send it again, in one go.")

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        """Answer if nothing was answered yet, and hang up; the application learns that its client is gone."""
        cycle = self._running
        is_open = self._reading != "body" if cycle is None else self._reading == "body" and not cycle.response_started
        if is_open:
            body = orjson.dumps({"_status": "ERR", "_error": {"code": status.value, "message": text}})
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            is_head = cycle is not None and cycle.scope["method"] == "HEAD"
            self.transport.write(head.encode() + (b"" if is_head else body))
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
