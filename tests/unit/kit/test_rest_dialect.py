"""The dialect (rest-api.md 1), on toy resources."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cloudcasa_server.kit.rest import RequestContext, routes_without_access
from cloudcasa_server.kit.store import Document, StoreUnavailableError
from structlog.testing import capture_logs

from tests.support.api import ApiBench, a_reader, a_rest, a_store, serving
from tests.support.clock import FakeClock
from tests.support.toys import HOUSE, ROOM, STREET


async def _polish(context: RequestContext, document: Document, body: dict[str, Any]) -> Document:
    changed = await context.documents("rooms").set(document["_id"], {"status.state": "POLISHED", "status.with": body.get("with")})
    assert changed is not None
    return changed


async def _explode(context: RequestContext) -> dict[str, Any]:
    raise RuntimeError("secret detail")


async def _away(context: RequestContext) -> dict[str, Any]:
    raise StoreUnavailableError("gone")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiBench]:
    store, clock = a_store(tmp_path), FakeClock()
    rest = a_rest(store, clock)
    for resource in (ROOM, HOUSE, STREET):
        rest.add(resource)
    rest.action("rooms", "polish", _polish)
    access = rest._routes[0].access
    rest.route("/api/v1/rooms/explode", _explode, access=access)
    rest.route("/api/v1/rooms/away", _away, access=access)
    async with serving(rest, store, clock) as bench:
        yield bench
    await store.close()


async def test_post_answers_201_with_the_whole_document(api: ApiBench) -> None:
    answer = await api.client.post(
        "/api/v1/rooms/", json={"name": "a", "camelCase": "x", "status": 5, "_id": "z", "options": {"b": 1, "a": [1.5]}}
    )
    body = answer.json()
    room_id = body["_id"]
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/rooms/{room_id}"
    assert answer.headers["etag"] == f'"{body["_etag"]}"'
    assert body == {
        "_id": room_id,
        "_created": "Mon, 23 Nov 2026 07:04:31 GMT",
        "_updated": "Mon, 23 Nov 2026 07:04:31 GMT",
        "name": "a",
        "camelCase": "x",
        "options": {"b": 1, "a": [1.5]},
        "status": {"state": "NEW"},
        "owner": "server",
        "cc_user_email": "ann@example.org",
        "_etag": body["_etag"],
        "_links": {"self": {"title": "Room", "href": f"/v1/rooms/{room_id}"}},
        "_status": "OK",
    }
    assert len(body["_etag"]) == 40


async def test_list_has_items_meta_and_links(api: ApiBench) -> None:
    for name in "abc":
        await api.post("rooms", {"name": name})
    answer = await api.client.get("/api/v1//rooms?max_results=2&sort=-name")
    body = answer.json()
    assert [item["name"] for item in body["_items"]] == ["c", "b"]
    assert body["_meta"] == {"page": 1, "max_results": 2, "total": 3}
    assert answer.headers["x-total-count"] == "3"
    assert body["_links"]["parent"] == {"title": "home", "href": "/"}
    assert set(body["_links"]) == {"parent", "self", "next", "last"}
    assert "_status" not in body["_items"][0]
    second = (await api.client.get("/api/v1/" + body["_links"]["next"]["href"].removeprefix("/v1/"))).json()
    assert [item["name"] for item in second["_items"]] == ["a"]


async def test_an_empty_list_is_200(api: ApiBench) -> None:
    body = (await api.client.get("/api/v1/rooms")).json()
    assert (body["_items"], body["_meta"]["total"]) == ([], 0)


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ('{"name":"a"}', "a"),
        (' \n{ "name" :\n {"$in": ["a", "c"]} }\n ', "ac"),
        ('{"beds":{"$gt":1}}', "bc"),
        ('{"beds":{"$gt":1,"$lt":3}}', "b"),
        ('{"$or":[{"name":"a"},{"beds":3}]}', "ac"),
        ('{"$nor":[{"name":"a"},{"beds":3}]}', "b"),
        ('{"tags.k":{"$exists":true}}', "c"),
        ('{"tags.k":null}', "ab"),
        ('{"options.l":{"$elemMatch":{"x":1,"y":2}}}', "a"),
        ('{"options.l":{"$size":2}}', "a"),
        ('{"options.n":{"$all":[1,2]}}', "b"),
        ('{"options.n":{"$elemMatch":{"$gt":1,"$lt":3}}}', "b"),
        ('{"beds":{"$not":{"$gte":2}}}', "a"),
        ('{"name":{"$nin":["a"],"$ne":"b"}}', "c"),
        ('{"_created":"Mon, 23 Nov 2026 07:04:31 GMT"}', "abc"),
        ('{"_created":{"$lt":"Mon, 23 Nov 2026 07:04:31 GMT"}}', ""),
        ('{"beds":"1"}', ""),
        ("{}", "abc"),
        ("", "abc"),
    ],
)
async def test_where_finds(api: ApiBench, where: str, names: str) -> None:
    await api.post("rooms", {"name": "a", "beds": 1, "options": {"l": [{"x": 1, "y": 2}, {"x": 3}]}})
    await api.post("rooms", {"name": "b", "beds": 2, "options": {"l": [{"x": 1}, {"y": 2}, {}], "n": [1, 2]}})
    await api.post("rooms", {"name": "c", "beds": 3, "tags": {"k": "v"}})
    answer = await api.client.get("/api/v1/rooms", params={"where": where, "sort": "name"})
    assert answer.status_code == 200, answer.text
    assert "".join(item["name"] for item in answer.json()["_items"]) == names


async def test_where_matches_ids_in_any_case_and_synonyms(api: ApiBench) -> None:
    house = await api.post("houses", {"name": "h"})
    room = await api.post("rooms", {"name": "a", "house": house["_id"]})
    await api.documents("rooms").set(room["_id"], {"status.state": "CANCELED"})
    for where in ({"_id": room["_id"].upper()}, {"house": house["_id"].upper()}, {"status.state": {"$in": ["CANCELLED"]}}):
        answer = await api.client.get("/api/v1/rooms", params={"where": json.dumps(where)})
        assert answer.json()["_meta"]["total"] == 1, where


@pytest.mark.parametrize(
    "parameters",
    [
        {"where": "{"},
        {"where": "[]"},
        {"where": "{name:1}"},
        {"where": '{"$where":"1"}'},
        {"where": '{"name":{"$regex":"."}}'},
        {"where": '{"name":{"$foo":1}}'},
        {"where": '{"name":{"$gt":1,"b":2}}'},
        {"where": '{"lock.code":"1"}'},
        {"where": '{"lock":{"code":"1"}}'},
        {"where": '{"status.otp":{"$gt":""}}'},
        {"where": '{"status.0.otp":"x"}'},
        {"where": '{"status":{"$elemMatch":{"otp":"x"}}}'},
        {"where": '{"name":{"$in":1}}'},
        {"where": json.dumps({"name": {"$in": [1] * 1001}})},
        {"where": '{"$or":[]}'},
        {"where": '{"a":' * 30 + "1" + "}" * 30, "sort": "$x"},
        {"where": '{"a":{"$not":' * 10 + '{"$gt":1}' + "}}" * 10},
        {"where": json.dumps({f"f{number}": 1 for number in range(300)})},
        {"where": '{"":1}'},
        {"where": '{"n":18446744073709551615}'},
        {"where": '{"a..b":1}'},
        {"where": json.dumps({".".join(["a"] * 17): 1})},
        {"where": '{"n":{"$gt":{"a":1}}}'},
        {"sort": "lock.code"},
        {"sort": "status.otp"},
        {"sort": "[(1,2)]"},
        {"sort": "[__import__('os')]"},
        {"page": "0"},
        {"page": "x"},
        {"max_results": "0"},
        {"max_results": "-1"},
        {"projection": '{"a":1,"b":0}'},
        {"projection": "x"},
        {"embedded": "x"},
    ],
)
async def test_bad_grammar_is_400_with_a_sentence(api: ApiBench, parameters: dict[str, str]) -> None:
    answer = await api.client.get("/api/v1/rooms", params=parameters)
    assert answer.status_code == 400, answer.text
    assert answer.json()["_error"]["code"] == 400
    assert answer.json()["_error"]["message"]


async def test_max_results_is_capped_and_a_huge_page_is_empty(api: ApiBench) -> None:
    await api.post("rooms", {"name": "a"})
    body = (await api.client.get("/api/v1/rooms?max_results=5000&page=99999999999")).json()
    assert (body["_items"], body["_meta"]["max_results"], body["_meta"]["total"]) == ([], 1000, 1)


@pytest.mark.parametrize(
    ("sort", "names"), [("-beds, name", "cab"), ('[("beds",-1),("name",-1)]', "cba"), ("beds,-name", "bac"), ("", "abc")]
)
async def test_sort_in_every_form(api: ApiBench, sort: str, names: str) -> None:
    for name, beds in (("a", 1), ("b", 1), ("c", 2)):
        await api.post("rooms", {"name": name, "beds": beds})
    answer = await api.client.get("/api/v1/rooms", params={"sort": sort})
    assert "".join(item["name"] for item in answer.json()["_items"]) == names


async def test_projection_keeps_the_envelope_and_never_shows_secrets(api: ApiBench) -> None:
    await api.post("rooms", {"name": "a", "beds": 2, "lock": {"code": "1", "make": "x"}})
    only = (await api.client.get("/api/v1/rooms", params={"projection": '{"beds":1,"lock.code":1,"status.otp":1}'})).json()["_items"][0]
    assert set(only) == {"_id", "_etag", "_created", "_updated", "_links", "beds", "lock", "status"}
    assert (only["lock"], only["status"]) == ({}, {})
    without = (await api.client.get("/api/v1/rooms", params={"projection": '{"beds":0,"_etag":0}'})).json()["_items"][0]
    assert "beds" not in without
    assert "_etag" in without
    assert without["lock"] == {"make": "x"}


async def test_embedded_replaces_ids_at_any_level(api: ApiBench) -> None:
    street = await api.post("streets", {"name": "s"})
    house = await api.post("houses", {"name": "h", "street": street["_id"]})
    other = await api.post("rooms", {"name": "b"})
    room = await api.post("rooms", {"name": "a", "house": house["_id"], "neighbours": [other["_id"]], "inner": {"house": house["_id"]}})
    wanted = {"house.street": 1, "neighbours": 1, "inner.house": 1, "nonsense": 1, "name": 1, "beds": 0}
    answer = await api.client.get(f"/api/v1/rooms/{room['_id']}", params={"embedded": f"\n {json.dumps(wanted)} "})
    body = answer.json()
    assert body["house"]["street"]["name"] == "s"
    assert body["neighbours"][0]["name"] == "b"
    assert body["inner"]["house"]["street"] == street["_id"]
    assert "otp" not in body["neighbours"][0]["status"]
    assert body["_links"]["related"]["house"] == {"title": "House", "href": f"/v1/houses/{house['_id']}"}
    await api.client.delete(f"/api/v1/houses/{house['_id']}")
    dangling = (await api.client.get("/api/v1/rooms", params={"embedded": '{"house":1}', "sort": "name"})).json()["_items"][0]
    assert dangling["house"] == house["_id"]


async def test_put_replaces_what_clients_set_and_keeps_the_rest(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a", "beds": 2, "tags": {"k": "v"}})
    await api.documents("rooms").set(room["_id"], {"status.state": "BUSY"})
    answer = await api.client.put(f"/api/v1/rooms/{room['_id']}", json={"name": "b", "status": {}}, headers={"If-Match": room["_etag"]})
    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert (body["name"], body["status"]["state"], body["owner"], body["_status"]) == ("b", "BUSY", "server", "OK")
    assert "beds" not in body
    assert "tags" not in body
    assert body["_etag"] != room["_etag"]


async def test_patch_merges_nested_objects(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a", "options": {"x": {"y": 1, "z": 2}}, "tags": {"k": "v", "app.kubernetes.io/name": "q"}})
    body = {"options": {"x": {"y": 3}}, "tags": {"k": "w"}}
    answer = await api.client.patch(f"/api/v1/rooms/{room['_id']}", json=body, headers={"If-Match": f'"{room["_etag"]}"'})
    assert answer.status_code == 200, answer.text
    assert answer.json()["options"] == {"x": {"y": 3, "z": 2}}
    assert answer.json()["tags"] == {"k": "w", "app.kubernetes.io/name": "q"}


async def test_etag_rules(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a"})
    url = f"/api/v1/rooms/{room['_id']}"
    etag = room["_etag"]
    assert (await api.client.put(url, json={"name": "a"})).status_code == 428
    assert (await api.client.patch(url, json={"name": "a"})).status_code == 428
    assert (await api.client.put(url, json={"name": "b"}, headers={"If-Match": "x"})).status_code == 412
    assert (await api.client.delete(url, headers={"If-Match": "x"})).status_code == 412
    await api.client.post(f"{url}/action/polish")
    for spelled in (etag, f'"{etag}"', f'W/"{etag}"'):
        assert (await api.client.put(url, json={"name": "a"}, headers={"If-Match": spelled})).status_code == 200, spelled
    assert (await api.client.get(url)).headers["etag"] == f'"{etag}"'
    assert (await api.client.delete(url, headers={"If-Match": f'"{etag}"'})).status_code == 204


async def test_delete_needs_no_etag_and_has_no_body(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a"})
    answer = await api.client.request("DELETE", f"/api/v1/rooms/{room['_id']}", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await api.client.delete(f"/api/v1/rooms/{room['_id']}")).status_code == 404


async def test_a_put_never_undoes_what_a_task_writes_meanwhile(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a"})
    answer = await api.client.put(f"/api/v1/rooms/{room['_id']}?race=1", json={"name": "b"}, headers={"If-Match": room["_etag"]})
    assert answer.status_code == 200
    assert answer.json()["status"]["state"] == "MOVED"


async def test_of_two_puts_at_once_one_wins(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a"})
    answers = await asyncio.gather(
        *(
            api.client.put(f"/api/v1/rooms/{room['_id']}", json={"name": f"n{number}"}, headers={"If-Match": room["_etag"]})
            for number in range(6)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5


async def test_of_creations_at_once_with_one_name_one_wins(api: ApiBench) -> None:
    answers = await asyncio.gather(*(api.client.post("/api/v1/rooms", json={"name": "same"}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 5
    refused = next(answer for answer in answers if answer.status_code == 422).json()
    sentence = 'The name "same" is taken by another room.'
    assert refused == {"_status": "ERR", "_error": {"code": 422, "message": sentence}, "_issues": {"name": sentence}}


async def test_secrets_are_sealed_never_shown_and_kept(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a", "lock": {"code": {"pin": "s3cret"}, "make": "x"}})
    url = f"/api/v1/rooms/{room['_id']}"
    assert room["lock"] == {"make": "x"}
    stored = await api.documents("rooms").get(room["_id"])
    assert "s3cret" not in json.dumps(stored)
    kept = await api.client.put(url, json={"name": "a", "lock": {"make": "x"}}, headers={"If-Match": room["_etag"]})
    assert kept.json()["_etag"] == room["_etag"]
    revealed = api.documents("rooms").reveal(await api.documents("rooms").get(room["_id"]))
    assert revealed["lock"]["code"] == {"pin": "s3cret"}
    changed = await api.client.patch(url, json={"lock": {"code": {"pin": "new"}}}, headers={"If-Match": room["_etag"]})
    assert changed.json()["_etag"] != room["_etag"]
    assert "code" not in changed.json()["lock"]
    gone = await api.client.put(url, json={"name": "a"}, headers={"If-Match": changed.json()["_etag"]})
    assert "lock" not in gone.json()


@pytest.mark.parametrize(
    ("body", "issues"),
    [
        ({}, {"name": ['The field "name" is required.']}),
        ({"name": "  "}, {"name": ["The name must not be blank."]}),
        ({"name": "x" * 129}, {"name": ["The name is 129 characters long; 128 are allowed."]}),
        ({"name": "a", "nmae": 1}, {"nmae": 'The field "nmae" is not known to rooms.'}),
        ({"name": "a", "beds": "2"}, None),
        ({"name": "a", "beds": 2.0}, None),
        ({"name": "a", "tags": {"k": 1}}, None),
        ({"name": "a", "house": "0" * 24}, {"house": f'There is no house with the id "{"0" * 24}".'}),
        ({"name": "a", "house": "x"}, None),
    ],
)
async def test_an_invalid_document_is_422_with_sentences(api: ApiBench, body: dict[str, Any], issues: dict[str, Any] | None) -> None:
    answer = await api.client.post("/api/v1/rooms", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["_issues"]
    if issues is not None:
        assert answer.json()["_issues"] == issues
        first = next(iter(issues.values()))
        assert answer.json()["_error"]["message"] == (first if isinstance(first, str) else first[0])


async def test_an_immutable_field_cannot_be_changed(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a", "kind": "x"})
    answer = await api.client.patch(f"/api/v1/rooms/{room['_id']}", json={"kind": "y"}, headers={"If-Match": room["_etag"]})
    assert answer.status_code == 422


async def test_what_was_read_can_be_sent_back(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a"})
    answer = await api.client.put(f"/api/v1/rooms/{room['_id']}", json=room, headers={"If-Match": room["_etag"]})
    assert answer.status_code == 200, answer.text
    other = await api.client.put(f"/api/v1/rooms/{room['_id']}", json={**room, "owner": "me"}, headers={"If-Match": room["_etag"]})
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"nul", "application/json", 400),
        (b'{"name": NaN}', "application/json", 400),
        (b'{"name": "\xff"}', "application/json", 400),
        (b'{"name": "\\ud800"}', "application/json", 400),
        (b'{"name": "a\\u0000"}', "application/json", 400),
        (b'{"name": "a", "tags": {"$x": "1"}}', "application/json", 400),
        (b'{"name": "a", "options": {"n": 99999999999999999999}}', "application/json", 201),  # read as a float: no database keeps more
        (b'{"name": "a", "options": {"n": 18446744073709551615}}', "application/json", 400),
        (b'{"name": "a", "options": ' + b'{"a":' * 40 + b"1" + b"}" * 41, "application/json", 400),
        (b"[" * 100000, "application/json", 400),
        (b'{"name": "' + b"a" * 1_048_576 + b'"}', "application/json", 413),
        (b'{"name": "a"}', "text/plain", 400),
        (b'{"name": "a"}', "application/json; charset=utf-8", 201),
        (b'{"name": "a"}', "", 201),
        (b'{"name": "a", "name": "b"}', "application/json", 201),
    ],
)
async def test_bodies(api: ApiBench, content: bytes, media_type: str, status: int) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await api.client.post("/api/v1/rooms", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"


async def test_an_action_takes_an_empty_body_and_leaves_the_etag(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a"})
    answer = await api.client.post(f"/api/v1/rooms/{room['_id']}/action/polish", headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert answer.json()["status"] == {"state": "POLISHED", "with": None}
    assert (answer.json()["_etag"], answer.json()["_status"]) == (room["_etag"], "OK")
    assert (await api.client.post(f"/api/v1/rooms/{'0' * 24}/action/polish")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/api/v1/nothing", 404, None),
        ("GET", "/api/v1/rooms/x", 404, None),
        ("GET", f"/api/v1/rooms/{'0' * 24}", 404, None),
        ("PUT", f"/api/v1/rooms/{'0' * 24}", 404, None),
        ("DELETE", "/api/v1/rooms", 405, {"GET", "HEAD", "POST"}),
        ("DELETE", f"/api/v1/streets/{'0' * 24}", 405, {"GET", "HEAD"}),
        ("HEAD", "/api/v1/rooms", 200, None),
        ("GET", "/elsewhere", 404, None),
    ],
)
async def test_errors_of_the_router_have_the_same_form(api: ApiBench, method: str, path: str, status: int, allow: set[str] | None) -> None:
    answer = await api.client.request(method, path, json={"name": "a"} if method == "PUT" else None)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    if allow is not None:
        assert set(answer.headers["allow"].replace(" ", "").split(",")) == allow
    if method != "HEAD":
        assert answer.json()["_error"]["code"] == status


async def test_our_own_bug_is_500_with_a_request_id_and_no_detail(api: ApiBench) -> None:
    with capture_logs() as logs:
        answer = await api.client.get("/api/v1/rooms/explode", headers={"X-Request-Id": "abc"})
    assert answer.status_code == 500
    assert [entry["log_level"] for entry in logs if entry.get("exc_info")] == ["error"]
    assert "abc" in answer.json()["_error"]["message"]
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] == "abc"


async def test_an_absent_database_is_503(api: ApiBench) -> None:
    answer = await api.client.get("/api/v1/rooms/away")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


async def test_a_viewer_reads_and_changes_nothing(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a"})
    api.authenticator.principal = a_reader()
    assert (await api.client.get("/api/v1/rooms")).status_code == 200
    assert (await api.client.head("/api/v1/rooms")).status_code == 200
    url = f"/api/v1/rooms/{room['_id']}"
    for answer in (
        await api.client.post("/api/v1/rooms", json={}),
        await api.client.put(url, json={}),
        await api.client.patch(url, json={}),
        await api.client.delete(url),
        await api.client.post(f"{url}/action/polish"),
    ):
        assert answer.status_code == 403


async def test_every_route_says_what_it_asks(api: ApiBench) -> None:
    assert routes_without_access(api.app) == []

    async def loose() -> dict[str, Any]:
        return {}

    api.app.add_api_route("/loose", loose)
    assert routes_without_access(api.app) == ["/loose"]
