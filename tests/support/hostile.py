"""Hostile input over a whole server: whatever is sent, the answer is short, in the standard form and no 5xx, and nothing half-made stays.

Used with few examples by the unit tests and with many by the integration tests.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cloudcasa_server.kit.rest import Resource
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .raw import Answer, exchange, request
from .server import Running, a_server

LONGEST_ERROR = 16_384
NOBODY = "f" * 24

_SMALL: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        False,
        "",
        " ",
        "\0",
        "\ud800",
        "é",
        0,
        -1,
        1.5,
        10**30,
        -(2**63) - 1,
        [],
        {},
        [[]],
        [None],
        {"": 1},
        {"$gt": ""},
        {"a.b": 1},
    ]
)
_TEXT = st.sampled_from(
    [NOBODY, NOBODY.upper(), "../../etc/passwd", "' OR 1=1", "<script>", "{{7*7}}", "%00", "\u202e", "\n", "$where", "null", "x" * 300]
)
_BIG = st.sampled_from(["x" * 20_000, ["x"] * 2_000, [{}] * 2_000, {str(number): number for number in range(2_000)}, "[" * 5_000])
_RAW = st.sampled_from(
    ["@1e400@", "@-1e400@", "@NaN@", "@Infinity@", "@" + "[" * 40 + "]" * 40 + "@", "@" + "[" * 2_000 + "]" * 2_000 + "@", "@01@", "@@"]
)
VALUES = st.one_of(_SMALL, _TEXT, _BIG, _RAW, st.text(max_size=20), st.integers(), st.floats())
LINE = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=60)
"""What can stand in a header."""
SEGMENT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    st.sampled_from(
        [NOBODY, NOBODY.upper(), "0" * 25, "undefined", "..", ".", "%", "%2e%2e%2f", "\0", "\ud7ff", "$ne", "x" * 5_000, "A" * 43]
    ),
)

Ask = Callable[[Running, st.DataObject], Coroutine[Any, Any, None]]


def check(directory: Path, ask: Ask, *, examples: int) -> None:
    """Let `ask` draw and send one request after the other, to one server."""
    with asyncio.Runner() as runner:
        context = a_server(directory)
        server = runner.run(context.__aenter__())

        @settings(max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(st.data())
        def one(data: st.DataObject) -> None:
            runner.run(ask(server, data))

        one()
        runner.run(context.__aexit__(None, None, None))


def json_text(value: Any) -> bytes:
    """Return a JSON text, with what stands between @ as it is: numbers and nesting that no writer of ours would write."""
    return json.dumps(value).replace('"@', "").replace('@"', "").encode()


async def sent(server: Running, method: str, target: str, *headers: str, body: bytes = b"", key: str | None = None) -> Answer:
    """Send a request; check what holds for every answer."""
    authorization = f"Authorization: {key if key is not None else server.api.headers['Authorization']}"
    raw = request(method, target, "Content-Type: application/json", "Connection: close", *headers, body=b"")
    length = f"Content-Length: {len(body)}\r\n".encode() if body else b""
    head = raw.removesuffix(b"\r\n") + authorization.encode("latin-1") + b"\r\n" + length + b"\r\n"
    answer = await exchange(int(server.url.rpartition(":")[2]), head + body)
    assert answer.status < 500, (method, target, body[:200], answer)
    if answer.status >= 400:
        assert answer.message
        assert len(answer.content) < LONGEST_ERROR, (method, target, len(answer.content))
    return answer


def creatable(server: Running) -> list[Resource]:
    """Return the resources that a client can make documents of."""
    resources: dict[str, Resource] = server.app.state.rest.resources
    return [resource for resource in resources.values() if "create" in resource.methods and resource.model is not None]


async def counted(server: Running) -> dict[str, int]:
    """Return how many documents each resource has; the log of what happened may grow."""
    store = server.parts.store
    names = [name for name in server.app.state.rest.resources if name != "auditlogs"]
    return {name: await store.collection(name).count() for name in names}


async def hostile_body(server: Running, data: st.DataObject) -> None:
    """Send a body with something wrong in it; what is refused leaves every collection as it was."""
    resource = data.draw(st.sampled_from(creatable(server)))
    body = deepcopy(dict(resource.docs.example or {"name": "x"}))
    for _ in range(data.draw(st.integers(1, 3))):
        _spoil(body, data)
    content = data.draw(
        st.sampled_from([json_text(body), json_text(body), json_text(body)[:-3], json_text([body]), b"\xff" + json_text(body)])
    )
    before = await counted(server)
    answer = await sent(server, "POST", f"/api/v1/{resource.name}", body=content)
    assert answer.status in {201, 400, 403, 404, 409, 413, 422}, answer
    if answer.status == 201:
        await server.parts.store.collection(resource.name).delete(answer.json["_id"])
    elif resource.name != "kuberestores":
        assert await counted(server) == before


def _spoil(body: dict[str, Any], data: st.DataObject) -> None:
    """Put a hostile value somewhere, or under a name that is not known."""
    holder: Any = body
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = data.draw(st.sampled_from([*keys, "nmae"] if isinstance(holder, dict) else keys))
        below = holder[key] if key in keys else None
        if isinstance(below, dict | list) and below and data.draw(st.booleans()):
            holder = below
            continue
        holder[key] = deepcopy(data.draw(VALUES))
        return


async def hostile_query(server: Running, data: st.DataObject) -> None:
    """Send a list's parameters with rubbish in them."""
    names = st.sampled_from(["where", "sort", "embedded", "projection", "page", "max_results", "metrics", "x"])
    rubbish = st.one_of(
        st.binary(max_size=40).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw)),
        st.dictionaries(st.sampled_from(["name", "status", "$or", "cluster.$ne", ""]), VALUES, max_size=2).map(
            lambda one: quote(json_text(one))[:60_000]
        ),
        st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=40),
    )
    pairs = data.draw(st.lists(st.tuples(names, rubbish), max_size=5))
    resource = data.draw(st.sampled_from(list(server.app.state.rest.resources)))
    answer = await sent(server, "GET", f"/api/v1/{resource}?" + "&".join(f"{name}={value}" for name, value in pairs))
    assert answer.status in {200, 400, 403, 414}, answer.status


async def hostile_key(server: Running, data: st.DataObject) -> None:
    """Show a key that nobody has."""
    shape = data.draw(st.sampled_from(["{}", "Bearer {}", "Bearer cc_{}", "Basic {}", "bearer  {}", "Bearer {0} {0}"]))
    text = data.draw(st.one_of(LINE, st.sampled_from(["a" * 120, "a" * 100_000, "cc_" + "a" * 120, "ey" + "J" * 50 + ".e30."])))
    answer = await sent(server, "GET", "/api/v1/kubeclusters", key=shape.format(text))
    assert answer.status in {400, 401}, answer


async def hostile_id(server: Running, data: st.DataObject) -> None:
    """Ask for, change and act on documents by ids that are none."""
    resource = data.draw(st.sampled_from(["kubeclusters", "objectstores", "kubebackups", "kubeoffloads", "jobs", "kuberestores"]))
    method, tail = data.draw(
        st.sampled_from(
            [("GET", ""), ("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/action/run"), ("POST", "/action/cancel"), ("GET", "/logs")]
        )
    )
    spelled = data.draw(SEGMENT)
    target = f"/api/v1/{resource}/{quote(spelled, safe=data.draw(st.sampled_from(['', '%$.']))) or 'x'}{tail}"
    answer = await sent(server, method, target, "If-Match: x", body=b"{}" if method in {"PUT", "PATCH", "POST"} else b"")
    assert answer.status in {400, 404, 405, 414}, (target[:200], answer.status)


async def hostile_etag(server: Running, data: st.DataObject) -> None:
    """Change a document with an If-Match that is not its own."""
    if not (await server.get("policies"))["_items"]:
        await server.make("policies", name="kept", schedules=[{"schedule": {"cronSpec": "30 0 * * *"}}])
    policy = (await server.get("policies"))["_items"][0]
    match = data.draw(st.one_of(LINE, st.sampled_from(["0" * 40, '"', "W/", ",,,", policy["_etag"][:-1], policy["_etag"].upper() + "x"])))
    if match.strip() in {"*", '"*"'} or "*" in {part.strip().strip('"') for part in match.split(",")}:
        return
    method = data.draw(st.sampled_from(["PUT", "PATCH", "DELETE"]))
    body = b"" if method == "DELETE" else b'{"name":"changed"}'
    line = f"If-Match: {match}".encode("latin-1").decode("latin-1")
    answer = await sent(server, method, f"/api/v1/policies/{policy['_id']}", line, body=body)
    if method == "DELETE" and answer.status == 204:
        assert not match.strip().removeprefix("W/").strip().strip('"'), match
        return
    assert answer.status in {400, 412, 428}, (match, answer)
    assert await server.get(f"policies/{policy['_id']}") == policy


async def hostile_manifest(server: Running, data: st.DataObject) -> None:
    """Ask for a manifest by a token that was never given."""
    token = quote(data.draw(SEGMENT), safe="")
    answer = await sent(server, "GET", f"/kubeclusteragents/{token}.yaml", key="")
    assert answer.status == 404, (token, answer)


EVERY_ASK: dict[str, Ask] = {
    "body": hostile_body,
    "query": hostile_query,
    "key": hostile_key,
    "id": hostile_id,
    "etag": hostile_etag,
    "manifest token": hostile_manifest,
}
