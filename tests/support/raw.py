"""HTTP byte by byte: what clients' own stacks put on the wire, which an HTTP library of ours would tidy up first."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def message(self) -> str:
        """Return the sentence of an error; fails when the answer has not the standard form of its status."""
        body = self.json
        assert set(body) <= {"_status", "_error", "_issues"}, body
        assert (body["_status"], body["_error"]["code"]) == ("ERR", self.status)
        assert self.headers["content-type"] == "application/json"
        text: str = body["_error"]["message"]
        return text


async def exchange(port: int, *sent: bytes, seconds: float = 20.0) -> Answer:
    """Send the pieces as they are, then read one answer; the server must close or say how long its answer is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(seconds):
            for piece in sent:
                writer.write(piece)
                await writer.drain()
            return await read_answer(reader)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    status = int(first.split()[1])
    length = headers.get("content-length")
    content = await reader.readexactly(int(length)) if length is not None else b"" if status == 204 else await reader.read()
    return Answer(status, headers, content)


def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    """Return a request with these header lines; the length is added where there is a body."""
    lines = [f"{method} {target} HTTP/1.1", "Host: cc.example", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + body
