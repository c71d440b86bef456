"""A load generator for HTTP on loopback that costs little beside the server it measures: keep-alive connections, no client library.

`saturate` is a closed loop (each connection asks again as soon as it is answered): throughput. `pace` is an open loop: requests start at
their times whether or not the earlier ones are answered, and each latency counts from the time it was due, so that a server that
stalls is charged for all who would have waited (Gil Tene's coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Make = Callable[[int], bytes]
"""From the number of a request to its bytes."""


@dataclass
class Answer:
    """One answer."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """A connection that carries one request at a time."""

    def __init__(self) -> None:
        """Start empty."""
        self.is_lost = False
        self._buffer = bytearray()
        self._waiter: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand the answer over once it is whole."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(self._buffer) < end + 4 + length or self._waiter is None:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        self._waiter.set_result(Answer(int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        """Let whoever waits know."""
        self.is_lost = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc or ConnectionResetError("the server closed the connection"))

    async def ask(self, request: bytes) -> Answer:
        """Return the answer to a request."""
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiter

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()


@dataclass
class Measured:
    """What a run showed."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failed: list[Answer] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Return the latency below which that share of the answers lies, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def request(method: str, target: str, *, key: str, body: bytes = b"", etag: str = "") -> bytes:
    """Return a request's bytes."""
    head = f"{method} {target} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nAccept: application/json\r\n"
    head += f"If-Match: {etag}\r\n" if etag else ""
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return head.encode() + b"\r\n" + body


async def connect(port: int) -> Connection:
    """Return a connection to loopback."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def saturate(port: int, make: Make, *, connections: int, requests: int) -> Measured:
    """Ask `requests` times over that many connections, each as fast as it is answered."""
    measured = Measured()
    numbers = iter(range(requests))

    async def worker() -> None:
        connection = await connect(port)
        for number in numbers:
            began = time.perf_counter()
            answer = await connection.ask(make(number))
            measured.latencies.append(time.perf_counter() - began)
            if answer.status >= 300:
                measured.failed.append(answer)
        connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(connections)))
    measured.seconds = time.perf_counter() - began
    return measured


async def pace(port: int, make: Make, *, per_second: float, seconds: float) -> Measured:
    """Start a request each 1/per_second, come what may."""
    measured = Measured()
    idle: list[Connection] = [await connect(port) for _ in range(8)]

    async def one(number: int, due: float) -> None:
        kept = [one for one in idle if not one.is_lost]
        connection = kept[-1] if kept else await connect(port)
        idle[:] = kept[:-1]
        try:
            answer = await connection.ask(make(number))
        except ConnectionError:  # a server hangs up on who asked nothing for a while, perhaps just now
            connection = await connect(port)
            answer = await connection.ask(make(number))
        measured.latencies.append(time.perf_counter() - due)
        if answer.status >= 300:
            measured.failed.append(answer)
        idle.append(connection)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(per_second * seconds)):
            due = began + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(number, due))
    measured.seconds = time.perf_counter() - began
    for connection in idle:
        connection.close()
    return measured
