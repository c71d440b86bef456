"""What reaches the application when clients' bytes are not tidied up first, through the protocol that production uses (rest-api.md 1.1, 1.7)."""

from __future__ import annotations

import asyncio
import json

import pytest
import pytest_asyncio
from cloudcasa_server.__main__ import uvicorn_config
from cloudcasa_server.kit.http import MAX_HEAD_BYTES, MAX_URL_BYTES, GuardedProtocol
from cloudcasa_server.kit.settings import Settings
from fastapi import FastAPI

from tests.support.raw import exchange, read_answer, request
from tests.support.server import a_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Impatient(GuardedProtocol):
    head_seconds = 0.2
    body_seconds = 0.4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory):
    async with a_server(tmp_path_factory.mktemp("server")) as running:
        await running.make("policies", name="nightly", schedules=[{"schedule": {"cronSpec": "30 0 * * MON,FRI"}}])
        yield running


@pytest.fixture
def port(server):
    return int(server.url.rpartition(":")[2])


@pytest.fixture
def key(server):
    return f"Authorization: {server.api.headers['Authorization']}"


async def test_production_reads_http_with_this_protocol(tmp_path):
    config = uvicorn_config(FastAPI(), Settings(data_dir=tmp_path), None)
    assert config.http is GuardedProtocol


@pytest.mark.parametrize(
    "target",
    [
        '/api/v1/policies?where={"name":"nightly"}',
        '/api/v1//policies?where={"name":"nightly"}',
        '//api//v1///policies//?where={"name":"nightly"}',
        '/api/v1/policies/?where={"$or":[{"name":"nightly"},{"name":{"$in":["x|y^`\\\\"]}}]}',
        "/api/v1/policies?where=%20%0A%20%20{%22name%22:%0A+%22nightly%22%0A}%0A",
        "/api/v1/policies?where=%7B%22name%22%3A%22nightly%22%7D&sort=-_updated&page=1&max_results=5",
        '/api/v1/policies?metrics={"days":7}&embedded={"a.b":1}&where={"name":"nightly"}&unknown={}',
    ],
)
async def test_raw_query_strings_are_understood(port, key, target):
    answer = await exchange(port, request("GET", target, key))
    assert answer.status == 200, answer.content
    assert [item["name"] for item in answer.json["_items"]] == ["nightly"]


@pytest.mark.parametrize(
    "target",
    [
        '/api/v1/policies?where={"name": "nightly"}',
        '/api/v1/policies?where=\n{"name":"nightly"}',
        "/api/v1/policies?where=\t{}",
        "/é",
        "\x00",
    ],
    ids=["blank", "newline", "tab", "not ASCII", "NUL"],
)
async def test_what_http_forbids_is_400_in_the_standard_form(port, key, target):
    answer = await exchange(port, request("GET", target, key))
    assert answer.status == 400
    assert answer.message == "This is not an HTTP request."
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"\x00" * 10, b"hello\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
)
async def test_what_is_no_http_at_all_is_400(port, sent):
    answer = await exchange(port, sent)
    assert (answer.status, answer.message) == (400, "This is not an HTTP request.")


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Type: application/json", "Accept: application/json", "Accept-Encoding: gzip", "User-Agent: Go-http-client/1.1"),
        ('Cookie: auth0.is.authenticated=true; other="x{y}"', "X-Unknown: é"),
        ("content-type: text/nonsense", "accept: */*"),
    ],
    ids=["terraform", "cookies", "lower case"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_headers_of_every_client_are_taken(port, key, headers, method):
    assert (
        await exchange(port, request(method, "/api/v1/jobs", key, *headers), seconds=5) if method == "GET" else await _head(port, key)
    ).status == 200


async def _head(port, key):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("HEAD", "/api/v1/jobs", key, "Connection: close"))
    raw = await reader.read()
    writer.close()
    assert raw.endswith(b"\r\n\r\n")
    reader = asyncio.StreamReader()
    reader.feed_data(raw.replace(b"content-length", b"x-length"))
    reader.feed_eof()
    return await read_answer(reader)


@pytest.mark.parametrize("line", ["x-api-auth-header: Bearer {}", "Authorization: {}", "Authorization: Basic {}", "Cookie: session={}"])
async def test_a_key_anywhere_else_than_in_its_header_is_401(server, port, line):
    answer = await exchange(port, request("GET", "/api/v1/kubeclusters", line.format(server.api.headers["Authorization"].split()[1])))
    assert answer.status == 401
    assert "key" in answer.message


@pytest.mark.parametrize("form", ["{}", '"{}"', 'W/"{}"', "*", '"other", "{}"'])
async def test_if_match_is_taken_in_every_form(server, port, key, form):
    policy = (await server.get("policies"))["_items"][0]
    body = json.dumps({"tags": {"form": form}}).encode()
    match = f"If-Match: {form.format(policy['_etag'])}"
    answer = await exchange(
        port, request("PATCH", f"/api/v1/policies/{policy['_id']}", key, match, "Content-Type: application/json", body=body)
    )
    assert answer.status == 200, answer.content
    assert answer.headers["etag"] == f'"{answer.json["_etag"]}"'
    assert answer.json["_etag"] != policy["_etag"]


async def test_bodiless_delete_with_a_content_type_is_204(server, port, key):
    policy = await server.make("policies", name="gone", schedules=[{"schedule": {"cronSpec": "30 0 * * *"}}])
    answer = await exchange(port, request("DELETE", f"/api/v1/policies/{policy['_id']}", key, "Content-Type: application/json"))
    assert (answer.status, answer.content) == (204, b"")


@pytest.mark.parametrize(("characters", "status"), [(65_000, 200), (MAX_URL_BYTES, 414), (200_000, 414)])
async def test_an_address_is_taken_to_its_limit_and_a_longer_one_named(port, key, characters, status):
    answer = await exchange(port, request("GET", '/api/v1/policies?where={"name":"' + "a" * characters + '"}', key))
    assert answer.status == status
    assert status == 200 or "Send a shorter filter" in answer.message


async def test_a_head_larger_than_its_limit_is_431(port, key):
    head = request("GET", "/api/v1/policies?x=" + "a" * MAX_HEAD_BYTES, key)
    answer = await exchange(port, head[: MAX_HEAD_BYTES + 1])
    assert answer.status == 431
    assert answer.message == "The request's head is too large."


async def test_a_body_that_says_it_is_too_large_is_413_before_it_is_sent(port, key):
    head = request("POST", "/api/v1/policies", key, "Content-Length: 2097152", "Content-Type: application/json")
    answer = await exchange(port, head, b"{" * 1000)
    assert answer.status == 413
    assert "1048576" in answer.message


async def test_a_body_in_chunks_is_cut_off_at_the_limit(port, key):
    head = request("POST", "/api/v1/policies", key, "Transfer-Encoding: chunked", "Content-Type: application/json")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    answer = await exchange(port, head, *[chunk] * 17)
    assert answer.status == 413


async def test_expect_continue_is_answered(port, key):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"name":"x","schedules":[]}'
    writer.write(request("POST", "/api/v1/policies", key, f"Content-Length: {len(body)}", "Expect: 100-continue"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await read_answer(reader)).status == 422
    writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def impatient(tmp_path_factory):
    async with a_server(tmp_path_factory.mktemp("impatient"), http=Impatient) as running:
        yield running


@pytest.mark.parametrize(
    ("piece", "what"),
    [
        (b"", "request"),
        (b"GET /api/v1/policies HTT", "request"),
        (b"GET /api/v1/policies HTTP/1.1\r\nHost: x\r\nX-Slow: ", "request"),
        (b'POST /api/v1/policies HTTP/1.1\r\nHost: x\r\n{}\r\nContent-Length: 50\r\n\r\n{"name":', "body"),
        (b'POST /api/v1/policies HTTP/1.1\r\nHost: x\r\n{}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{"\r\n', "body"),
    ],
    ids=["nothing", "line", "headers", "body", "chunks"],
)
async def test_who_stops_sending_is_hung_up_on_and_nothing_is_stored(impatient, piece, what):
    port = int(impatient.url.rpartition(":")[2])
    key = f"Authorization: {impatient.api.headers['Authorization']}".encode()
    answer = await exchange(port, piece.replace(b"{}", key, 1))
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert answer.message == f"The {what} was not sent in time. Send it again, in one go."
    assert (await impatient.get("policies"))["_meta"]["total"] == 0


@pytest.mark.parametrize(
    ("method", "piece", "status"),
    [("HEAD", b"", 408), ("HEAD", b"zz\r\n", 400), ("POST", b"zz\r\n", 400), ("POST", b"5\r\nabc", 408)],
    ids=["head", "head and no chunk", "no chunk", "half a chunk"],
)
async def test_a_body_that_breaks_off_or_is_none_ends_the_connection(impatient, method, piece, status):
    port = int(impatient.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = f"Authorization: {impatient.api.headers['Authorization']}"
    writer.write(request(method, "/api/v1/nothing" if method == "POST" else "/healthz", key, "Transfer-Encoding: chunked") + piece)
    raw = await reader.read()
    writer.close()
    assert raw.startswith(b"HTTP/1.1 ")
    if method == "HEAD":
        assert raw.endswith(b"\r\n\r\n")
    else:
        assert int(raw.split()[1]) in {status, 404}


async def test_a_request_after_others_on_one_connection_has_its_own_time(impatient):
    port = int(impatient.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("GET", "/healthz") * 3 + b"GET /healthz HTT")
    assert [(await read_answer(reader)).status for _ in range(4)] == [200, 200, 200, 408]
    writer.close()
