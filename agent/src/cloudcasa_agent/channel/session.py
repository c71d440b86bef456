"""One link from hello to its end: reader, writer and heartbeat, each a task of one group; the first that ends, ends all.

Frames of unknown type are ignored and logged; a command of unknown kind is handed on as such, to be answered UNSUPPORTED.
What is logged of a broken frame is where it broke and never what it said.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from cloudcasa_contract.frames import (
    PROTOCOL_VERSIONS,
    SERVER_FRAME_ADAPTER,
    Ack,
    AgentFrame,
    Close,
    CloseReason,
    CommandFrame,
    Heartbeat,
    Hello,
    UnknownCommandFrame,
    Welcome,
    encode,
)
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from cloudcasa_agent.kit.logging import get_logger

from .outbox import Outbox
from .transport import LinkEndedError, ended

_WELCOME_SECONDS = 15.0
_GOODBYE_SECONDS = 2.0
_log = get_logger("channel")

Incoming = Welcome | CommandFrame | UnknownCommandFrame | Ack | Close


class Receiver(Protocol):
    """Who works on commands: the room above."""

    def on_command(self, frame: CommandFrame | UnknownCommandFrame, /) -> None:
        """Take a command, which may have come before."""

    def on_ack(self, message_id: str, /) -> None:
        """Learn that the server holds a message."""

    def heartbeat(self) -> Heartbeat:
        """Return what the next heartbeat says."""


class Session:
    """One link."""

    def __init__(self, socket: ClientConnection, *, outbox: Outbox, receiver: Receiver) -> None:
        """Speak over `socket` until it ends."""
        self._socket = socket
        self._outbox = outbox
        self._receiver = receiver

    async def greet(self, hello: Hello) -> Welcome:
        """Say hello and return the server's welcome. Raises LinkEndedError."""
        await self._send(hello)
        try:
            async with asyncio.timeout(_WELCOME_SECONDS):
                frame = await self._receive()
        except TimeoutError as error:
            text = "The server did not answer the hello."
            raise LinkEndedError(text) from error
        match frame:
            case Welcome(protocol=protocol) if protocol in PROTOCOL_VERSIONS:
                return frame
            case Close():
                raise _closed(frame)
            case _:
                await self.say_goodbye(reason=CloseReason.PROTOCOL_UNSUPPORTED)
                text = "The server's welcome was not understood."
                raise LinkEndedError(text, reason=CloseReason.PROTOCOL_UNSUPPORTED)

    async def run(self, welcome: Welcome) -> None:
        """Exchange frames until the link ends, which is told by a LinkEndedError."""
        self._outbox.begin_link()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(), name="channel-read")
                group.create_task(self._write(), name="channel-write")
                group.create_task(self._beat(welcome.heartbeat_seconds), name="channel-heartbeat")
        except* LinkEndedError as failures:
            raise _first(failures) from None

    async def say_goodbye(self, *, reason: CloseReason) -> None:
        """Tell why the link ends here and close it; trouble doing so does not matter any more."""
        with suppress(LinkEndedError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self._send(Close(reason=reason))
                await self._socket.close(code=reason.code, reason=reason.value)

    async def _read(self) -> None:
        while True:
            match await self._receive():
                case CommandFrame() | UnknownCommandFrame() as frame:
                    self._receiver.on_command(frame)
                case Ack(id=message_id):
                    self._outbox.drop_message(message_id)
                    self._receiver.on_ack(message_id)
                case Close() as frame:
                    raise _closed(frame)
                case _:
                    pass

    async def _write(self) -> None:
        while True:
            self._outbox.wake.clear()
            frame, wait = self._outbox.next_frame(now=time.monotonic())
            if frame is not None:
                await self._send(frame)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._outbox.wake.wait()

    async def _beat(self, seconds: float) -> None:
        while True:
            await self._send(self._receiver.heartbeat())
            await asyncio.sleep(seconds)

    async def _send(self, frame: AgentFrame) -> None:
        try:
            await self._socket.send(encode(frame))
        except ConnectionClosed as error:
            raise ended(error) from error

    async def _receive(self) -> Incoming | None:
        try:
            text = await self._socket.recv()
        except ConnectionClosed as error:
            raise ended(error) from error
        return decode(text)


def decode(text: str | bytes, /) -> Incoming | None:
    """Return the frame, an UnknownCommandFrame for a command that this agent does not understand, or None for what it ignores."""
    try:
        return SERVER_FRAME_ADAPTER.validate_json(text)
    except ValidationError as error:
        places = [".".join(str(part) for part in detail["loc"]) for detail in error.errors(include_input=False, include_url=False)]
    return _decode_unknown(text, places=places)


def _decode_unknown(text: str | bytes, *, places: list[str]) -> UnknownCommandFrame | None:
    build: Callable[..., UnknownCommandFrame] = UnknownCommandFrame.model_validate
    try:
        raw = json.loads(text)
        if isinstance(raw, dict) and raw.get("type") == "command":
            return build(raw)
    except (ValueError, ValidationError):
        pass
    _log.warning("Ignored a frame that was not understood", places=places[:5])
    return None


def _closed(frame: Close) -> LinkEndedError:
    return LinkEndedError(
        f"The server closed the link: {frame.reason.value}{f', {frame.text}' if frame.text else ''}.", reason=frame.reason
    )


def _first(failures: BaseExceptionGroup[LinkEndedError]) -> LinkEndedError:
    """Return the failure that says why, else the first."""
    flat = list(_leaves(failures))
    return next((failure for failure in flat if failure.reason is not None), flat[0])


def _leaves(failures: BaseExceptionGroup[LinkEndedError]) -> list[LinkEndedError]:
    found: list[LinkEndedError] = []
    for failure in failures.exceptions:
        found.extend(_leaves(failure) if isinstance(failure, BaseExceptionGroup) else [failure])
    return found
