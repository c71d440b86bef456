"""Keeps a link up: back-off with jitter between attempts, and slow attempts after the server said that trying is useless.

A credential that is refused is followed at once by the other one (stored, manifest), since either may be the newer: the Secret after a
rotation, the manifest after an operator applied a new one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cloudcasa_contract.frames import CloseReason, Hello, Welcome
from pydantic import SecretStr

from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.kit.logging import get_logger

from .credential import CredentialStore, candidates
from .outbox import Outbox
from .session import Receiver, Session
from .transport import Endpoint, LinkEndedError, open_socket

__all__ = ["Channel", "ChannelSettings", "Receiver"]

_log = get_logger("channel")


@dataclass(frozen=True)
class ChannelSettings:
    """Where the server is and how patient the agent is."""

    endpoint: Endpoint
    bootstrap: SecretStr | None = None
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 30.0
    slow_delay_seconds: float = 300.0
    lived_seconds: float = 20.0
    """A link that lived so long was a good one: the back-off starts over."""
    user_agent: str = "cloudcasa-agent"


@dataclass
class Backoff:
    """Grows from `first` to `longest`, doubled each time, with jitter so that a fleet does not come back as one."""

    first: float
    longest: float
    _exponent: int = field(default=0, init=False)

    def next_delay(self) -> float:
        """Return the seconds to wait now."""
        full = min(self.longest, self.first * 2.0**self._exponent)
        self._exponent = min(self._exponent + 1, 16)
        return full * (0.5 + random.random() / 2)  # noqa: S311 - jitter

    def start_over(self) -> None:
        """Begin at `first` again."""
        self._exponent = 0


class Channel:
    """The agent's side of the link, for as long as the process lives."""

    def __init__(
        self, settings: ChannelSettings, *, store: CredentialStore, outbox: Outbox, receiver: Receiver, hello: Callable[[], Hello]
    ) -> None:
        """Connect with what `store` and `settings` hold; `hello` is asked for each link."""
        self._settings = settings
        self._store = store
        self._outbox = outbox
        self._receiver = receiver
        self._hello = hello
        self._backoff = Backoff(settings.first_delay_seconds, settings.longest_delay_seconds)
        self.is_connected = asyncio.Event()

    async def run(self) -> None:
        """Keep a link up until cancelled."""
        while True:
            started = time.monotonic()
            try:
                await self._connect_once()
            except LinkEndedError as error:
                delay = self._delay_after(error, lived_seconds=time.monotonic() - started)
            await asyncio.sleep(delay)

    def _delay_after(self, error: LinkEndedError, *, lived_seconds: float) -> float:
        if error.reason is not None and (error.reason.is_terminal or error.reason is CloseReason.SUPERSEDED):
            delay = self._settings.slow_delay_seconds
            _log.error("Cannot stay connected, trying again slowly", reason=error.text, remedy=error.remedy, delay_seconds=delay)
            return delay
        if lived_seconds >= self._settings.lived_seconds:
            self._backoff.start_over()
        delay = self._backoff.next_delay()
        _log.warning("Link to the server ended", reason=error.text, delay_seconds=round(delay, 2))
        return delay

    async def _connect_once(self) -> None:
        try:
            credentials = await candidates(store=self._store, bootstrap=self._settings.bootstrap)
        except AgentError as error:
            text = f"The stored credential could not be read: {error.text}"
            raise LinkEndedError(text) from error
        if not credentials:
            text = "The agent has no credential."
            raise LinkEndedError(text, reason=CloseReason.UNAUTHORIZED)
        for position, credential in enumerate(credentials):
            try:
                await self._live(credential)
            except LinkEndedError as error:
                if error.reason is not CloseReason.UNAUTHORIZED or position == len(credentials) - 1:
                    raise
                _log.warning("The credential was refused, trying the other one", reason=error.text)

    async def _live(self, credential: SecretStr) -> None:
        socket = await open_socket(self._settings.endpoint, credential=credential, user_agent=self._settings.user_agent)
        session = Session(socket, outbox=self._outbox, receiver=self._receiver)
        try:
            welcome = await session.greet(self._hello())
            await self._keep(welcome)
            _log.info("Connected to the server", server_version=welcome.server_version, protocol=welcome.protocol)
            self.is_connected.set()
            await session.run(welcome)
        except asyncio.CancelledError:
            await session.say_goodbye(reason=CloseReason.SHUTTING_DOWN)
            raise
        finally:
            self.is_connected.clear()
            await socket.close()

    async def _keep(self, welcome: Welcome) -> None:
        if welcome.credential is None:
            return
        try:
            await self._store.save(welcome.credential)
        except Exception:  # noqa: BLE001 - whatever the store is, the link must live on with the old credential
            _log.exception("A new credential could not be stored; the old one stays in use")
        else:
            _log.info("Credential rotated")
