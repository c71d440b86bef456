"""rest-api.md 1, rule by rule: what the dialect promises and test_rest_dialect does not show already. One row, one sentence of the reference."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cloudcasa_server.kit.rest.body import MAX_BYTES, MAX_DEPTH
from cloudcasa_server.kit.rest.embed import MAX_FIELDS
from cloudcasa_server.kit.rest.listing import DEFAULT_RESULTS, MAX_RESULTS
from cloudcasa_server.kit.rest.where import MAX_CONDITIONS, MAX_PATH, MAX_SEGMENTS, MAX_VALUE_DEPTH, MAX_VALUES
from cloudcasa_server.kit.store import ALL

from tests.support.api import ApiBench, a_rest, a_store, serving
from tests.support.clock import FakeClock
from tests.support.toys import HOUSE, ROOM, STREET

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = "f" * 24


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiBench]:
    directory: Path = tmp_path_factory.mktemp("store")
    store, clock = a_store(directory), FakeClock()
    rest = a_rest(store, clock)
    for resource in (ROOM, HOUSE, STREET):
        rest.add(resource)
    async with serving(rest, store, clock) as bench:
        yield bench
    await store.close()


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: ApiBench) -> AsyncIterator[ApiBench]:
    yield shared
    for name in ("rooms", "houses", "streets"):
        await shared.store.collection(name).delete_many(ALL)


async def listed(api: ApiBench, **parameters: str) -> Any:
    answer = await api.client.get("/api/v1/rooms", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _never(*_: Any) -> Any:
    raise AssertionError("what is refused must not reach the database")


@contextmanager
def untouched(api: ApiBench) -> Iterator[None]:
    """Make every access to the database a failure of the server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api.store, "collection", _never)
        yield


async def refused(api: ApiBench, parameters: Mapping[str, str]) -> str:
    with untouched(api):
        answer = await api.client.get("/api/v1/rooms", params=parameters)
    assert answer.status_code == 400, answer.text
    assert answer.json().keys() == {"_status", "_error"}
    text: str = answer.json()["_error"]["message"]
    return text


@pytest.mark.parametrize("path", ["/api/v1/rooms/", "/api/v1//rooms", "//api/v1/rooms", "/api//v1/rooms//", "/api/v1///rooms///"])
async def test_doubled_and_closing_slashes_mean_the_same_resource(api: ApiBench, path: str) -> None:
    assert (await api.client.get(f"https://test{path}")).status_code == 200


@pytest.mark.parametrize("key", ["status", "_id", "_etag", "_created", "_updated", "_links", "_status"])
@pytest.mark.parametrize("value", [None, 5, "x", {}, {"a": {"b": [1]}}, []])
async def test_keys_of_the_server_are_taken_with_any_value_and_ignored(api: ApiBench, key: str, value: Any) -> None:
    room = await api.post("rooms", {"name": "a", key: value})
    assert room["status"] == {"state": "NEW"}
    assert len(room["_id"]) == 24
    changed = await api.client.put(f"/api/v1/rooms/{room['_id']}", json={"name": "a", key: value}, headers={"If-Match": room["_etag"]})
    assert (changed.status_code, changed.json()["_etag"]) == (200, room["_etag"])


ECHOED = {
    "name": "  Ünïcode name ",
    "tags": {"z": "1", "a": "2", "app.kubernetes.io/name": "", "UPPER": " "},
    "options": {"b": [3, 1, 2], "a": {"z": None, "y": 1.5, "x": 1e300, "w": -0.0, "v": [], "u": {}, "t": True, "s": 2**53}},
    "camelCase": "30 0  *  * MON,FRI",
    "inner": {},
}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_what_was_sent_comes_back_byte_by_byte_in_its_order(api: ApiBench, method: str) -> None:
    room = await api.post("rooms", ECHOED if method == "POST" else {"name": "x"})
    if method != "POST":
        room = (await api.client.request(method, f"/api/v1/rooms/{room['_id']}", json=ECHOED, headers={"If-Match": room["_etag"]})).json()
    for answer in (room, (await api.client.get(f"/api/v1/rooms/{room['_id']}")).json(), (await listed(api))["_items"][0]):
        assert {key: json.dumps(answer[key]) for key in ECHOED} == {key: json.dumps(value) for key, value in ECHOED.items()}


async def test_ids_are_stored_in_one_spelling(api: ApiBench) -> None:
    house = await api.post("houses", {"name": "h"})
    other = await api.post("rooms", {"name": "b"})
    body = {
        "name": "a",
        "house": house["_id"].upper(),
        "inner": {"house": house["_id"].upper()},
        "neighbours": [other["_id"].upper()],
    }
    room = await api.post("rooms", body)
    assert (room["house"], room["inner"]["house"], room["neighbours"]) == (house["_id"], house["_id"], [other["_id"]])
    for path in ("house", "inner.house"):
        assert room["_links"]["related"][path] == {"title": "House", "href": f"/v1/houses/{house['_id']}"}
    assert (await listed(api, where=json.dumps({"inner.house": house["_id"]})))["_meta"]["total"] == 1
    changed = await api.client.patch(
        f"/api/v1/rooms/{room['_id']}", json={"house": house["_id"].upper()}, headers={"If-Match": room["_etag"]}
    )
    assert changed.json()["_etag"] == room["_etag"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"house": NOBODY}, "house"),
        ({"inner": {"house": NOBODY}}, "inner.house"),
        ({"neighbours": [NOBODY]}, "neighbours"),
    ],
)
async def test_a_dangling_reference_is_422_and_names_its_field(api: ApiBench, body: dict[str, Any], field: str) -> None:
    answer = await api.client.post("/api/v1/rooms", json={"name": "a", **body})
    assert (answer.status_code, list(answer.json()["_issues"])) == (422, [field])


@pytest.mark.parametrize(
    ("parameters", "size", "page"),
    [
        ({}, DEFAULT_RESULTS, 1),
        ({"max_results": "3"}, 3, 1),
        ({"max_results": "9999"}, MAX_RESULTS, 1),
        ({"page": " 2 "}, DEFAULT_RESULTS, 2),
    ],
)
async def test_meta_tells_the_truth_about_paging(api: ApiBench, parameters: dict[str, str], size: int, page: int) -> None:
    await api.post("rooms", {"name": "a"})
    assert (await listed(api, **parameters))["_meta"] == {"page": page, "max_results": size, "total": 1}


async def test_pages_link_to_each_other_and_keep_the_other_parameters(api: ApiBench) -> None:
    for name in "abcde":
        await api.post("rooms", {"name": name})
    seen, href = "", "/v1/rooms?max_results=2&sort=name&where=%7B%22name%22%3A%7B%22%24ne%22%3A%22c%22%7D%7D"
    links: dict[str, Any] = {}
    while href:
        body = (await api.client.get(f"/api{href}")).json()
        seen += "".join(item["name"] for item in body["_items"])
        links, href = body["_links"], body["_links"].get("next", {}).get("href", "")
    assert seen == "abde"
    assert set(links) == {"parent", "self", "prev"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"where": json.dumps({"name": {"$in": ["x"] * (MAX_VALUES + 1)}})},
        {"where": json.dumps({"name": {"$nin": [1] * 10_000}}, separators=(",", ":"))},
        {"where": json.dumps({"$or": [{"a": 1}] * (MAX_VALUES + 1)})},
        {"where": json.dumps({"$or": [{}] * (MAX_CONDITIONS + 1)})},
        {"where": json.dumps({"a": {"$all": [1] * (MAX_CONDITIONS + 1)}})},
        {"where": json.dumps({f"f{number}": 1 for number in range(MAX_CONDITIONS + 1)})},
        {"where": json.dumps({".".join("a" * (MAX_SEGMENTS + 1)): 1})},
        {"where": json.dumps({"a" * (MAX_PATH + 1): 1})},
        {"where": '{"a":' + "[" * (MAX_VALUE_DEPTH + 1) + "]" * (MAX_VALUE_DEPTH + 1) + "}"},
        {"where": '{"a":' + "[" * 1000 + "]" * 1000 + "}"},
        {"where": '{"a":{"$in":[' + '{"b":' * 20 + "1" + "}" * 20 + "]}}"},
        {"where": "[" * 20_000},
        {"where": '{"a":1e400}'},
        {"where": '{"a":{"$size":18446744073709551615}}'},
        {"where": '{"a":{"$gt":18446744073709551615}}'},
        {"where": '{"a":{"b":{"$gt":1}}}'},
        {"where": '{"a":{"$in":[{"$gt":1}]}}'},
        {"where": '{"a":{"$eq":{"$where":"1"}}}'},
        {"where": '{"a\\u0000b":1}'},
        {"where": '{"a":{"b\\u0000":1}}'},
        {"where": '{"a":"\\ud800"}'},
        {"where": '{"$where":"sleep(1000)"}'},
        {"where": '{"$expr":{}}'},
        {"where": '{"name":{"$regex":"^(a+)+$"}}'},
        {"where": '{"name":{"$options":"i"}}'},
        {"where": '{"$and":{"a":1}}'},
        {"where": '{"a":{"$elemMatch":{"$elemMatch":{"$gt":1}}}}'},
        {"where": '{"lock.code.pin":"1"}'},
        {"where": '{"a":{"$elemMatch":{"$or":[{"$where":"1"}]}}}'},
        {"where": '{"lock":{"$elemMatch":{"$or":[{"code":"1"}]}}}'},
        {"page": "1000000000000000000"},
        {"page": "1.5"},
        {"page": "-1"},
        {"page": "١"},
        {"max_results": "0x10"},
        {"max_results": "9" * 5000},
        {"projection": json.dumps({f"f{number}": 1 for number in range(300)})},
        {"projection": json.dumps({".".join("a" * 200): 1})},
        {"projection": '{"a":{"$slice":1}}'},
        {"projection": '{"a.$":1}'},
        {"projection": '{"a":true,"b":false}'},
        {"embedded": json.dumps({f"f{number}": 1 for number in range(MAX_FIELDS + 1)})},
        {"embedded": "[]"},
        {"sort": ",".join(f"f{number}" for number in range(9))},
        {"sort": '[("name",2)]'},
        {"sort": '[("name",)]'},
        {"sort": '[("name",[])]'},
        {"sort": '[("name",{})]'},
        {"sort": "[" * 3000},
        {"sort": "a.$b"},
    ],
    ids=lambda parameters: str(parameters)[:70],
)
async def test_what_the_grammar_does_not_offer_is_400_and_short(api: ApiBench, parameters: dict[str, str]) -> None:
    assert 0 < len(await refused(api, parameters)) < 400


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ({"tags.k": {"$exists": False}}, "b"),
        ({"tags.k": {"$exists": True}}, "a"),
        ({"beds": {"$in": []}}, ""),
        ({"beds": {"$nin": []}}, "ab"),
        ({"options.l": {"$all": []}}, ""),
        ({"name": {"$in": ["é", "a"]}}, "a"),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_ascii", [True, False])
async def test_operators_at_their_edges(api: ApiBench, where: Any, names: str, is_ascii: bool) -> None:
    await api.post("rooms", {"name": "a", "tags": {"k": "é"}, "options": {"l": [1]}})
    await api.post("rooms", {"name": "b"})
    found = await listed(api, where=json.dumps(where, ensure_ascii=is_ascii), sort="name")
    assert "".join(item["name"] for item in found["_items"]) == names


@pytest.mark.parametrize(
    "embedded",
    [
        '{"a":1}',
        '{"house.nothing.at.all":1}',
        '{"house":0}',
        '{"":1}',
        json.dumps({"a." * 30_000: 1}),
        json.dumps({"house." * 40 + "x": 1}),
    ],
    ids=["unknown", "below", "not wanted", "empty", "endless", "deep"],
)
async def test_unknown_fields_to_embed_are_ignored(api: ApiBench, embedded: str) -> None:
    house = await api.post("houses", {"name": "h"})
    room = await api.post("rooms", {"name": "a", "house": house["_id"]})
    answer = await api.client.get(f"/api/v1/rooms/{room['_id']}", params={"embedded": embedded})
    assert answer.status_code == 200
    assert answer.json()["house"] == (house["_id"] if "house.nothing" not in embedded else answer.json()["house"])


@pytest.mark.parametrize("form", ["{}", '"{}"', 'W/"{}"', "W/{}", " {} ", '"nope","{}"', 'W/"nope", W/"{}"', "*"])
async def test_if_match_is_understood_in_every_form(api: ApiBench, form: str) -> None:
    room = await api.post("rooms", {"name": "a"})
    match = {"If-Match": form.format(room["_etag"])}
    assert (await api.client.patch(f"/api/v1/rooms/{room['_id']}", json={"beds": 2}, headers=match)).status_code == 200
    assert (await api.client.patch(f"/api/v1/rooms/{room['_id']}", json={"beds": 3}, headers=match)).status_code == (
        200 if form == "*" else 412
    )


@pytest.mark.parametrize("match", ['""', "W/", " ", "x" * 8000, '"', ",", '",', "é".encode().decode("latin-1"), "0" * 40])
async def test_any_other_if_match_changes_nothing(api: ApiBench, match: str) -> None:
    room = await api.post("rooms", {"name": "a"})
    for method in ("PUT", "PATCH"):
        answer = await api.client.request(
            method, f"/api/v1/rooms/{room['_id']}", json={"name": "b"}, headers={b"If-Match": match.encode("latin-1")}
        )
        assert answer.status_code in {412, 428}
    assert (await listed(api))["_items"][0]["_etag"] == room["_etag"]


async def test_bulk_creation_and_deletion_of_everything_are_not_offered(api: ApiBench) -> None:
    assert (await api.client.post("/api/v1/rooms", json=[{"name": "a"}])).status_code == 400
    assert (await api.client.delete("/api/v1/rooms")).status_code == 405
    assert (await listed(api))["_meta"]["total"] == 0


@pytest.mark.parametrize(
    "room_id", ["x", "0" * 23, "0" * 25, "0" * 24, "$ne", "%00", "undefined", "null", "..%2Fhouses", "é", "'", "0" * 5000]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_an_id_that_names_nothing_is_404(api: ApiBench, method: str, room_id: str) -> None:
    answer = await api.client.request(method, f"/api/v1/rooms/{room_id}", json={"name": "a"} if method[0] == "P" else None)
    assert (answer.status_code, answer.json()["_error"]["code"]) == (404, 404)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"null", 400),
        (b'{"name":', 400),
        (b'{"name":"a","beds":1e400}', 400),
        (b'{"name":"a","beds":NaN}', 400),
        (b'{"name":"a","beds":-Infinity}', 400),
        (b'{"name":"a","beds":01}', 400),
        (b'{"name":"a","options":{"n":18446744073709551615}}', 400),
        (b'{"name":"\\ud800"}', 400),
        (b'{"name":"a\\u0000"}', 400),
        (b'{"name":"\xff"}', 400),
        (b'{"name":"a","tags":{"$where":"1"}}', 400),
        (b'{"name":"a","options":{"":1}}', 400),
        (b'{"name":"a","options":' + b"[" * 100_000, 400),
        (b'{"name":"a","options":' + b'{"a":' * 900 + b"1" + b"}" * 901, 400),
        (b'{"name":"a"}' + b" " * MAX_BYTES, 413),
        (b'{"name":"a","nmae":"b"}', 422),
        (b'{"name":1}', 422),
        (b'{"name":["a"]}', 422),
        (b'{"name":"a","beds":"1"}', 422),
        (b'{"name":"a","beds":1.0}', 422),
        (b'{"name":"a","beds":true}', 422),
        (b'{"name":"a","tags":["a"]}', 422),
        (b'{"name":"a","house":"x"}', 422),
        (b'{"name":"a","neighbours":[1]}', 422),
        (b'{"name":"a","neighbours":{}}', 422),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_bad_body_never_reaches_the_database(api: ApiBench, content: bytes, status: int) -> None:
    with untouched(api):
        answer = await api.client.post("/api/v1/rooms", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["_error"]["code"]) == (status, status), answer.text
    assert len(answer.content) < 1_000


async def test_of_keys_that_come_twice_the_last_one_counts(api: ApiBench) -> None:
    answer = await api.client.post("/api/v1/rooms", content=b'{"name":"a","name":"b"}', headers={"Content-Type": "application/json"})
    assert answer.json()["name"] == "b"


async def test_put_takes_away_what_it_leaves_out_and_patch_does_not(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a", "tags": {"k": "v"}, "beds": 2, "options": {"o": {"p": 1}}})
    url = f"/api/v1/rooms/{room['_id']}"
    patched = (await api.client.patch(url, json={"tags": {}, "options": {"o": {}}}, headers={"If-Match": room["_etag"]})).json()
    assert (patched["tags"], patched["beds"], patched["options"], patched["_etag"]) == ({"k": "v"}, 2, {"o": {"p": 1}}, room["_etag"])
    put = (await api.client.put(url, json={"name": "a"}, headers={"If-Match": room["_etag"]})).json()
    assert not {"tags", "beds", "options"} & set(put)
    assert (put["owner"], put["cc_user_email"], put["_created"]) == (room["owner"], room["cc_user_email"], room["_created"])


async def test_documents_do_not_grow_without_end_by_patches(api: ApiBench) -> None:
    room = await api.post("rooms", {"name": "a"})
    big = "x" * (MAX_BYTES // 2)
    for number, status in ((1, 200), (2, 422)):
        body = {"tags": {f"k{number}": big}}
        answer = await api.client.patch(f"/api/v1/rooms/{room['_id']}", json=body, headers={"If-Match": room["_etag"]})
        assert answer.status_code == status
        room = answer.json() if status == 200 else room


async def test_nesting_is_taken_to_its_limit_and_no_further(api: ApiBench) -> None:
    for levels, status in ((MAX_DEPTH - 3, 201), (MAX_DEPTH + 1, 400), (500, 400)):
        content = b'{"name":"%d","options":' % levels + b'{"a":' * levels + b"1" + b"}" * levels + b"}"
        answer = await api.client.post("/api/v1/rooms", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == status, levels


@pytest.mark.parametrize("name", ["a", "é" * 128, "😀" * 128, "$name", "a.b", "' OR 1=1 --", "<script>", "\u202egnp", "../..", "null"])
async def test_hostile_names_are_only_names(api: ApiBench, name: str) -> None:
    room = await api.post("rooms", {"name": name})
    found = await listed(api, where=json.dumps({"name": name}))
    assert [item["_id"] for item in found["_items"]] == [room["_id"]]
    assert found["_items"][0]["name"] == name


async def test_a_reference_list_of_thousands_is_answered_for_each(api: ApiBench) -> None:
    body = {"name": "a", "neighbours": [f"{number:024x}" for number in range(35_000)]}
    answer = await api.client.post("/api/v1/rooms", json=body)
    assert answer.status_code == 422
    assert len(answer.content) < 100_000
