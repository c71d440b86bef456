"""Messages between parts of the server that wake each other: in process for one replica; NATS takes this place with several.

At most once and never the truth: whoever waits also looks at the store from time to time, so a lost message costs seconds, not work.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

Payload = Mapping[str, str]

QUEUE = 1_000
"""Messages a slow subscriber may have waiting; the oldest goes when one more comes."""


class Subscription(Protocol):
    """What a subscriber holds."""

    async def receive(self, *, timeout_seconds: float | None = None) -> Payload | None:
        """Return the next message, or None when none came in time."""


class Bus(Protocol):
    """Publish and subscribe, by topic."""

    async def publish(self, topic: str, payload: Payload) -> None:
        """Hand the message to everyone who subscribes to the topic now."""

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        """Return a subscription that lasts as long as its `async with`."""


class _Queue:
    """The subscription of a LocalBus."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Payload] = asyncio.Queue(QUEUE)

    def put(self, payload: Payload) -> None:
        if self._messages.full():
            self._messages.get_nowait()
        self._messages.put_nowait(payload)

    async def receive(self, *, timeout_seconds: float | None = None) -> Payload | None:
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._messages.get()
        except TimeoutError:
            return None


class LocalBus:
    """A Bus within one process."""

    def __init__(self) -> None:
        """Start with no subscribers."""
        self._queues: defaultdict[str, set[_Queue]] = defaultdict(set)

    async def publish(self, topic: str, payload: Payload) -> None:
        """Hand the message to everyone who subscribes to the topic now."""
        for queue in tuple(self._queues.get(topic, ())):
            queue.put(payload)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        """Return a subscription that lasts as long as its `async with`."""
        queue = _Queue()
        self._queues[topic].add(queue)
        try:
            yield queue
        finally:
            self._queues[topic].discard(queue)
            if not self._queues[topic]:
                del self._queues[topic]
