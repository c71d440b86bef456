"""HTTP/1.1 as uvicorn reads it with h11, with what that lacks: deadlines for slow senders, and refusals in the form of the API.

uvicorn waits for a request's head and body without end, so a handful of clients that send a byte a minute could hold every connection. What is no HTTP
at all (a blank in the path, a head too large) never reaches the application, and is answered here. Given to uvicorn by __main__.
"""

from __future__ import annotations

import asyncio
import sys
from http import HTTPStatus
from typing import ClassVar

import h11
import orjson
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MAX_HEAD_BYTES = 262_144
"""Largest request line with headers: a filter of 64 KiB, percent-encoded, and room."""
HEAD_SECONDS = 15.0
"""Longest a request's first line and headers may take from the first byte, or from connecting."""
BODY_SECONDS = 60.0
"""Longest a body may take: its 1 MiB at 18 kB/s."""


class GuardedProtocol(H11Protocol):
    """One connection."""

    head_seconds: ClassVar[float] = HEAD_SECONDS
    body_seconds: ClassVar[float] = BODY_SECONDS
    _phase: type[h11.IDLE | h11.SEND_BODY] | None = None
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._wait_for(None)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Read what arrived, then see what is to come."""
        super().handle_events()
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to the websocket, which has deadlines of its own."""
        super().handle_websocket_upgrade(event)
        self._wait_for(None)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; h11 says when the trouble is size."""
        status = getattr(sys.exception(), "error_status_hint", HTTPStatus.BAD_REQUEST)
        text = (
            "The request's head is too large." if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE else "This is not an HTTP request."
        )
        self._refuse(HTTPStatus(status), text)

    def _watch(self) -> None:
        state = self.conn.their_state
        is_over = self.transport.is_closing() or self.transport.get_protocol() is not self
        self._wait_for(state if state in {h11.IDLE, h11.SEND_BODY} and not is_over else None)

    def _wait_for(self, phase: type[h11.IDLE | h11.SEND_BODY] | None) -> None:
        """Give the phase its time; one that goes on keeps what it was given."""
        if phase is self._phase:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._phase, self._deadline = phase, None
        if phase is not None:
            seconds = self.head_seconds if phase is h11.IDLE else self.body_seconds
            self._deadline = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            what = "request" if self._phase is h11.IDLE else "body"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"The {what} was not sent in time. Send it again, in one go.")

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        """Answer if nothing was answered yet, and hang up; the application learns that its client is gone."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            body = orjson.dumps({"_status": "ERR", "_error": {"code": status.value, "message": text}})
            headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
            answer = h11.Response(status_code=status.value, headers=headers, reason=status.phrase.encode())
            for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
