"""One websocket as frames: reading, writing and closing, and nothing about clusters."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import structlog
from cloudcasa_contract.frames import (
    AGENT_FRAME_ADAPTER,
    MAX_FRAME_BYTES,
    AgentFrame,
    Close,
    CloseReason,
    ServerFrame,
    encode,
)
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

log = structlog.get_logger(__name__)

_KNOWN_TYPES = frozenset({"hello", "heartbeat", "ack", "progress", "result", "report", "close"})
_SEND_SECONDS = 20.0


class HangUpError(Exception):
    """The server ends the link, for this reason."""

    def __init__(self, reason: CloseReason, text: str = "") -> None:
        """Remember what to tell the agent."""
        super().__init__(f"{reason.value}: {text}")
        self.reason = reason
        self.text = text


class PeerGoneError(Exception):
    """The other side closed the link or vanished."""


@dataclass
class Link:
    """A websocket that speaks the contract. Writes of several tasks never interleave."""

    websocket: WebSocket
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def credential(self) -> str:
        """Return the bearer credential of the request, empty when there is none."""
        scheme, _, value = self.websocket.headers.get("authorization", "").partition(" ")
        return value.strip() if scheme.lower() == "bearer" else ""

    async def receive(self, *, timeout_seconds: float) -> AgentFrame:
        """Return the next frame of a known type. Raises TimeoutError, PeerGoneError and HangUpError."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                frame = _parse(await self._receive_text())
                if frame is not None:
                    return frame

    async def _receive_text(self) -> str:
        try:
            message = await self.websocket.receive()
        except (WebSocketDisconnect, RuntimeError) as error:
            raise PeerGoneError from error
        if message["type"] == "websocket.disconnect":
            raise PeerGoneError
        text = message.get("text")
        if text is None:
            raise HangUpError(CloseReason.PROTOCOL_ERROR, "A frame is JSON in a text message; this one was binary.")
        if len(text) > MAX_FRAME_BYTES:
            raise HangUpError(CloseReason.PROTOCOL_ERROR, f"A frame was larger than {MAX_FRAME_BYTES} bytes.")
        return str(text)

    async def send(self, frame: ServerFrame, /) -> None:
        """Send a frame. Raises PeerGoneError when nobody takes it in time."""
        try:
            async with asyncio.timeout(_SEND_SECONDS), self._writing:
                await self.websocket.send_text(encode(frame))
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise PeerGoneError from error

    async def close(self, reason: CloseReason, text: str = "", /) -> None:
        """Say why, and close."""
        if self.websocket.client_state is not WebSocketState.CONNECTED or self.websocket.application_state is not WebSocketState.CONNECTED:
            return
        try:
            await self.send(Close(reason=reason, text=text))
            async with asyncio.timeout(_SEND_SECONDS):
                await self.websocket.close(code=reason.code, reason=reason.value)
        except (PeerGoneError, RuntimeError, OSError):
            log.debug("The agent was gone before it could be told", reason=reason.value)


def _parse(text: str) -> AgentFrame | None:
    """Return the frame, or None when its type is one this server does not know. Raises HangUpError."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HangUpError(CloseReason.PROTOCOL_ERROR, "A frame was not JSON.") from error
    kind = raw.get("type") if isinstance(raw, dict) else None
    if not isinstance(kind, str):
        raise HangUpError(CloseReason.PROTOCOL_ERROR, 'A frame had no "type".')
    if kind not in _KNOWN_TYPES:
        log.info("Frame of unknown type ignored", type=kind[:40])
        return None
    try:
        return AGENT_FRAME_ADAPTER.validate_json(text)
    except ValidationError as error:
        where = ", ".join(".".join(str(part) for part in issue["loc"]) for issue in error.errors()[:3])
        raise HangUpError(CloseReason.PROTOCOL_ERROR, f"A {kind} frame was malformed at: {where}.") from error
