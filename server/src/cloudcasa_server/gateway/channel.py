"""The websocket route: who calls, hello, welcome, then a session. Never lets a strange frame become a crash."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from secrets import token_hex

import structlog
from cloudcasa_contract.frames import CloseReason, Hello, Welcome, choose_protocol
from pydantic import SecretStr
from starlette.websockets import WebSocket

from ..cluster.credentials import Slot
from ..cluster.service import session_topic
from ..kit.settings import Settings
from ..kit.store import Document, StoreError
from .link import HangUpError, Link, PeerGoneError
from .session import Rooms, Session

log = structlog.get_logger(__name__)

HELLO_SECONDS = 10.0
_UNAUTHORIZED = "The credential is unknown or revoked. Apply the cluster's manifest again."


@dataclass
class Gateway:
    """All links of this process."""

    rooms: Rooms
    server_version: str
    settings: Settings
    _sessions: set[Session] = field(default_factory=set)
    _is_closing: bool = False

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one websocket to its end."""
        await websocket.accept()
        link = Link(websocket)
        try:
            await self._serve(link)
        except HangUpError as error:
            log.info("Link ended by the server", reason=error.reason.value, text=error.text)
            await link.close(error.reason, error.text)
        except PeerGoneError:
            log.debug("Link ended by the agent")
        except StoreError as error:
            log.warning("Link ended: the database is away", reason=str(error))
            await link.close(CloseReason.UNAVAILABLE, "The server's database is away. Try again.")
        except Exception:
            log.exception("Link ended by a bug")
            await link.close(CloseReason.UNAVAILABLE, "The server failed. Its log says why.")

    async def _serve(self, link: Link) -> None:
        if self._is_closing:
            raise HangUpError(CloseReason.SHUTTING_DOWN, "The server is shutting down. Try again.")
        opened = await self.rooms.clusters.authenticate(link.credential)
        if opened is None:
            raise HangUpError(CloseReason.UNAUTHORIZED, _UNAUTHORIZED)
        cluster, slot = opened
        hello = await _hello(link, cluster)
        session = Session(
            id=token_hex(12), cluster_id=cluster["_id"], link=link, rooms=self.rooms, silence_seconds=self.settings.silence_seconds
        )
        self._sessions.add(session)
        try:
            await self._welcome(session, hello, cluster=cluster, slot=slot)
            await session.run()
        finally:
            self._sessions.discard(session)
            session.ended.set()

    async def _welcome(self, session: Session, hello: Hello, *, cluster: Document, slot: Slot) -> None:
        protocol = choose_protocol(hello.protocols)
        if protocol is None:
            text = f"The agent speaks protocol {', '.join(map(str, hello.protocols))}, which this server does not. Update the older of the two."
            raise HangUpError(CloseReason.PROTOCOL_UNSUPPORTED, text)
        fresh = await self.rooms.clusters.connected(cluster, slot=slot, hello=hello, session=session.id)
        await self.rooms.bus.publish(session_topic(session.cluster_id), {})
        await self.rooms.outbox.adopt(session.cluster_id, owner=session.id, running=hello.running)
        credential = SecretStr(fresh) if fresh else None
        seconds = self.settings.heartbeat_seconds
        await session.link.send(
            Welcome(protocol=protocol, server_version=self.server_version, heartbeat_seconds=seconds, credential=credential)
        )
        log.info("Agent connected", cluster=session.cluster_id, agent_version=hello.agent_version, instance=hello.instance_id)

    @property
    def connected(self) -> int:
        """Return how many agents this process is connected to."""
        return len(self._sessions)

    def close_all(self) -> None:
        """Tell every agent that this server shuts down; new links are refused from now on."""
        self._is_closing = True
        for session in tuple(self._sessions):
            session.hang_up(CloseReason.SHUTTING_DOWN, "The server is shutting down. Try again.")

    async def wait_idle(self, *, timeout_seconds: float) -> None:
        """Return when no link is left, or the time is over."""
        if self._sessions:
            await asyncio.wait([asyncio.ensure_future(session.ended.wait()) for session in self._sessions], timeout=timeout_seconds)


async def _hello(link: Link, cluster: Document) -> Hello:
    try:
        frame = await link.receive(timeout_seconds=HELLO_SECONDS)
    except TimeoutError as error:
        raise HangUpError(CloseReason.PROTOCOL_ERROR, f"No hello within {HELLO_SECONDS:.0f} seconds.") from error
    if not isinstance(frame, Hello):
        raise HangUpError(CloseReason.PROTOCOL_ERROR, f"The first frame must be hello, not {frame.type}.")
    if frame.cluster_id != cluster["_id"]:
        raise HangUpError(CloseReason.UNAUTHORIZED, "The credential is another cluster's. Apply the right cluster's manifest.")
    return frame
