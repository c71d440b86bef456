"""A server for the agent's tests that speaks the contract over loopback: what it got is in `frames`, what it says is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from cloudcasa_contract.frames import (
    AGENT_FRAME_ADAPTER,
    CHANNEL_PATH,
    Ack,
    AgentFrame,
    Hello,
    Report,
    Result,
    ServerFrame,
    Welcome,
    encode,
)
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response


class Link:
    """One connection of the agent."""

    def __init__(self, socket: ServerConnection, server: AgentServer) -> None:
        self.socket = socket
        self._server = server

    async def send(self, frame: ServerFrame) -> None:
        await self.socket.send(encode(frame))

    async def send_raw(self, text: str) -> None:
        await self.socket.send(text)

    async def drop(self) -> None:
        self.socket.transport.abort()


class AgentServer:
    """Welcomes agents; `acks` says whether results and reports are acknowledged."""

    def __init__(self) -> None:
        self.frames: list[AgentFrame] = []
        self.credentials: list[str] = []
        self.refused: set[str] = set()
        self.links: list[Link] = []
        self.welcome = Welcome(protocol=1, server_version="test", heartbeat_seconds=0.05)
        self.acks = True
        self.greet: Callable[[Link], Awaitable[bool]] | None = None
        self.url = ""
        self._changed = asyncio.Event()

    async def until(self, wanted: Callable[[], bool], *, seconds: float = 5.0) -> None:
        """Wait until something is so; it is looked at after every frame."""
        async with asyncio.timeout(seconds):
            while not wanted():
                self._changed.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self._changed.wait()
                except TimeoutError:
                    pass

    def got(self, kind: type[AgentFrame]) -> list[AgentFrame]:
        return [frame for frame in self.frames if isinstance(frame, kind)]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[AgentServer]:
        async with serve(self._talk, "127.0.0.1", 0, process_request=self._admit) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self

    def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        assert request.path == CHANNEL_PATH
        credential = request.headers["Authorization"].removeprefix("Bearer ")
        self.credentials.append(credential)
        self._changed.set()
        return socket.respond(HTTPStatus.UNAUTHORIZED, "no") if credential in self.refused else None

    async def _talk(self, socket: ServerConnection) -> None:
        link = Link(socket, self)
        try:
            hello = AGENT_FRAME_ADAPTER.validate_json(await socket.recv())
            assert isinstance(hello, Hello)
            self._note(hello)
            if self.greet is not None and not await self.greet(link):
                return
            await link.send(self.welcome)
            self.links.append(link)
            async for text in socket:
                frame = AGENT_FRAME_ADAPTER.validate_json(text)
                self._note(frame)
                if self.acks and isinstance(frame, Result | Report):
                    await link.send(Ack(id=frame.message_id))
        except ConnectionClosed:
            pass

    def _note(self, frame: AgentFrame) -> None:
        self.frames.append(frame)
        self._changed.set()
