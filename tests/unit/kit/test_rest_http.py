"""What real HTTP stacks make of the URLs that clients send: raw { } " in query strings, doubled slashes (rest-api.md 1.1, 1.7)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cloudcasa_server.kit.rest import Name, Resource, ResourceModel
from fastapi import FastAPI

from tests.support.api import a_rest, a_store
from tests.support.clock import FakeClock


class ThingFields(ResourceModel):
    name: Name


@pytest.fixture(params=["httptools", "h11"])
async def port(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[int]:
    store = a_store(tmp_path)
    rest = a_rest(store, FakeClock())
    rest.add(Resource(name="things", title="Thing", noun="thing", model=ThingFields))
    app = FastAPI(openapi_url=None)
    rest.install(app)
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=request.param, ws="none", lifespan="off", log_level="warning"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task
    await store.close()


async def send(port: int, method: str, target: str, body: bytes = b"") -> tuple[int, dict[str, str], Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n"
    writer.write(head.encode() + body)
    raw = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    top, _, content = raw.partition(b"\r\n\r\n")
    first, *lines = top.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return int(first.split()[1]), headers, json.loads(content) if content else None


@pytest.mark.parametrize(
    "target",
    [
        '/api/v1/things?where={"name":"a"}',
        '/api/v1//things/?where={"name":"a"}&max_results=1',
        "/api/v1/things?where=%20%0A{%22name%22:+%22a%22%0A}",
        '/api/v1/things?where={"$or":[{"name":"a"},{"name":{"$in":["x|y^`"]}}]}',
    ],
)
async def test_raw_characters_in_a_query_string_are_understood(port: int, target: str) -> None:
    status, headers, _ = await send(port, "POST", "/api/v1/things", b'{"name":"a"}')
    assert (status, headers["content-type"]) == (201, "application/json")
    await send(port, "POST", "/api/v1/things/", b'{"name":"b"}')
    status, _, body = await send(port, "GET", target)
    assert status == 200, body
    assert [item["name"] for item in body["_items"]] == ["a"]


async def test_head_and_delete_have_no_body(port: int) -> None:
    _, _, thing = await send(port, "POST", "/api/v1/things", b'{"name":"a"}')
    status, headers, body = await send(port, "HEAD", f"/api/v1/things/{thing['_id']}")
    assert (status, headers["etag"], body) == (200, f'"{thing["_etag"]}"', None)
    status, _, body = await send(port, "DELETE", f"/api/v1/things/{thing['_id']}")
    assert (status, body) == (204, None)
