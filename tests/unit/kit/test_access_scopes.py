"""Grants that hold around some documents only: what such a caller sees, changes, and cannot find out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudcasa_server.kit.ids import new_id
from cloudcasa_server.kit.rest import (
    Access,
    Grant,
    Hooks,
    Name,
    Principal,
    RequestContext,
    Resource,
    ResourceModel,
    Scope,
    known_access,
    requires,
    within,
)
from cloudcasa_server.kit.store import Document, eq

from tests.support.api import ApiBench, a_rest, a_store, an_admin, serving
from tests.support.clock import FakeClock


class HouseFields(ResourceModel):
    name: Name


class RoomFields(ResourceModel):
    name: Name
    house: str
    paint: str | None = None
    beside: str | None = None
    size: int = 0


class Named(ResourceModel):
    name: Name
    room: str | None = None


class RoomHooks(Hooks):
    """Remembers what reached it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        self.asked.append(document["house"])
        return document


HOUSES = Resource(
    name="houses",
    title="House",
    noun="house",
    model=HouseFields,
    initial=lambda: {"alarm": "1234", "safe": "4321", "floors": 2},
    hidden=frozenset({"safe"}),
    guarded={"alarm": "houses.update"},
)
ROOMS = Resource(
    name="rooms",
    title="Room",
    noun="room",
    model=RoomFields,
    references={"house": "houses", "paint": "paints", "beside": "rooms"},
    unique=(),
    belongs={"houses": within("house")},
)
PAINTS = Resource(name="paints", title="Paint", noun="paint", model=Named, is_shared=True, unique=())
LETTERS = Resource(name="letters", title="Letter", noun="letter", model=Named, references={"room": "rooms"}, unique=())
PEOPLE = Resource(name="people", title="Person", noun="person", model=Named, unique=(), is_shared=True, refuses=frozenset({"apikey"}))


async def knock(context: RequestContext, document: Document, body: dict[str, Any], /) -> Document:
    del context, body
    return document


class Street:
    """Two houses with a room each; the caller may do everything around the first."""

    def __init__(self, api: ApiBench, hooks: RoomHooks) -> None:
        self.api = api
        self.hooks = hooks
        self.mine: dict[str, Any] = {}
        self.theirs: dict[str, Any] = {}

    async def build(self) -> Street:
        self.mine = await self.api.post("houses", {"name": "mine"})
        self.theirs = await self.api.post("houses", {"name": "theirs"})
        self.paint = await self.api.post("paints", {"name": "red"})
        self.letter = await self.api.post("letters", {"name": "secret"})
        self.my_room = await self.api.post("rooms", {"name": "kitchen", "house": self.mine["_id"], "size": 7})
        self.their_room = await self.api.post("rooms", {"name": "cellar", "house": self.theirs["_id"], "size": 9})
        self.hooks.asked.clear()
        return self

    def be(self, *permissions: str, kind: str = "user", more: tuple[Grant, ...] = ()) -> None:
        scope = Scope(anchors={"houses": ({"_id": self.mine["_id"]},)})
        self.api.authenticator.principal = Principal(
            id=new_id(), email="bob@example.org", kind=kind, grants=(Grant(frozenset(permissions), scope), *more)
        )

    async def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        return await self.api.client.request(method, f"/api/v1/{path}", **how)

    async def names(self, resource: str, **query: Any) -> list[str]:
        answer = await self.ask("GET", resource, params={key: json.dumps(value) for key, value in query.items()})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["_meta"]["total"] == len(body["_items"]) == int(answer.headers["x-total-count"])
        return [item["name"] for item in body["_items"]]


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    store, clock, hooks = a_store(tmp_path), FakeClock(), RoomHooks()
    rest = a_rest(store, clock)
    for resource in (HOUSES, Resource(**{**fields_of(ROOMS), "hooks": hooks}), PAINTS, LETTERS, PEOPLE):
        rest.add(resource)
    rest.action("rooms", "knock", knock, access=Access({"POST": "houses.knock"}))
    rest.route("/api/v1/whole", me, access=requires("houses.read", is_whole=True))
    rest.route("/api/v1/me", me, access=known_access("everyone is someone"))
    async with serving(rest, store, clock) as api:
        built = await Street(api, hooks).build()
        built.be("*.*")
        yield built
    await store.close()


async def me(context: RequestContext) -> dict[str, Any]:
    return {"id": context.principal.id}


def fields_of(resource: Resource) -> dict[str, Any]:
    return {name: getattr(resource, name) for name in Resource.__dataclass_fields__}


async def test_lists_hold_what_lies_in_scope_and_count_only_that(street: Street) -> None:
    assert await street.names("houses") == ["mine"]
    assert await street.names("rooms") == ["kitchen"]
    assert await street.names("paints") == ["red"]
    assert await street.names("letters") == []


@pytest.mark.parametrize(
    "where",
    [
        {"name": "cellar"},
        {"size": {"$gt": 8}},
        {"$or": [{"name": "cellar"}, {"name": {"$exists": True}, "size": 9}]},
        {"$nor": [{"name": "kitchen"}]},
        {"name": {"$not": {"$eq": "kitchen"}}},
    ],
    ids=str,
)
async def test_no_filter_reaches_beyond_the_scope(street: Street, where: dict[str, Any]) -> None:
    assert await street.names("rooms", where=where) == []


async def test_a_foreign_document_is_not_there_in_any_way(street: Street) -> None:
    room, etag = f"rooms/{street.their_room['_id']}", {"If-Match": street.their_room["_etag"]}
    answers = [
        await street.ask("GET", room),
        await street.ask("PUT", room, json={"name": "x", "house": street.mine["_id"]}, headers=etag),
        await street.ask("PATCH", room, json={"name": "x"}, headers=etag),
        await street.ask("DELETE", room),
        await street.ask("POST", f"{room}/action/knock"),
        await street.ask("GET", f"houses/{street.theirs['_id']}"),
        await street.ask("GET", f"letters/{street.letter['_id']}"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 7
    missing = await street.ask("GET", f"rooms/{new_id()}")
    assert answers[0].json()["_error"]["message"].replace(street.their_room["_id"], "*")[:30] == missing.json()["_error"]["message"][:30]


async def test_a_foreign_document_is_as_good_as_none_in_a_reference(street: Street) -> None:
    answer = await street.ask("POST", "rooms", json={"name": "x", "house": street.theirs["_id"]})
    nothing = await street.ask("POST", "rooms", json={"name": "x", "house": new_id()})
    assert answer.status_code == nothing.status_code == 422
    assert street.hooks.asked == []
    beside = {"name": "x", "house": street.mine["_id"], "beside": street.their_room["_id"]}
    assert (await street.ask("POST", "rooms", json=beside)).status_code == 422


async def test_what_is_only_readable_cannot_be_written_nor_moved_into_or_out_of(street: Street) -> None:
    street.be("*.*", more=(Grant(frozenset({"*.read"})),))
    theirs, mine = f"rooms/{street.their_room['_id']}", f"rooms/{street.my_room['_id']}"
    assert (await street.ask("GET", theirs)).status_code == 200
    answers = [
        await street.ask("PATCH", theirs, json={"house": street.mine["_id"]}, headers={"If-Match": "*"}),
        await street.ask("PATCH", mine, json={"house": street.theirs["_id"]}, headers={"If-Match": "*"}),
        await street.ask("PUT", mine, json={"name": "a", "house": street.theirs["_id"]}, headers={"If-Match": "*"}),
        await street.ask("DELETE", theirs),
        await street.ask("POST", "rooms", json={"name": "x", "house": street.theirs["_id"]}),
        await street.ask("POST", f"{theirs}/action/knock"),
        await street.ask("POST", "paints", json={"name": "x"}),
        await street.ask("PATCH", f"paints/{street.paint['_id']}", json={"name": "x"}, headers={"If-Match": "*"}),
        await street.ask("POST", "letters", json={"name": "x"}),
        await street.ask("POST", "houses", json={"name": "x"}),
    ]
    assert [answer.status_code for answer in answers] == [403] * 10
    assert street.hooks.asked == []
    assert await street.api.store.collection("rooms").count(eq("house", street.mine["_id"])) == 1
    assert await street.api.store.collection("rooms").count() == 2


async def test_within_the_scope_everything_works(street: Street) -> None:
    made = await street.ask("POST", "rooms", json={"name": "attic", "house": street.mine["_id"], "paint": street.paint["_id"]})
    assert made.status_code == 201, made.text
    room, etag = f"rooms/{made.json()['_id']}", {"If-Match": made.json()["_etag"]}
    assert (await street.ask("PATCH", room, json={"size": 3}, headers=etag)).status_code == 200
    assert (await street.ask("POST", f"{room}/action/knock")).status_code == 200
    assert (await street.ask("DELETE", room)).status_code == 204


async def test_an_action_has_a_permission_of_its_own(street: Street) -> None:
    street.be("rooms.read")
    assert (await street.ask("POST", f"rooms/{street.my_room['_id']}/action/knock")).status_code == 403
    street.be("houses.knock")
    assert (await street.ask("POST", f"rooms/{street.my_room['_id']}/action/knock")).status_code == 200


async def test_a_guarded_field_is_shown_only_where_its_permission_holds(street: Street) -> None:
    street.be("*.*", more=(Grant(frozenset({"*.read"})),))
    shown = {item["name"]: item.get("alarm") for item in (await street.ask("GET", "houses")).json()["_items"]}
    assert shown == {"mine": "1234", "theirs": None}
    embedded = (await street.ask("GET", "rooms", params={"embedded": '{"house": 1}'})).json()["_items"]
    assert {item["house"]["name"]: item["house"].get("alarm") for item in embedded} == shown
    for query in ({"where": '{"alarm": {"$gt": "1"}}'}, {"sort": "alarm"}):
        assert (await street.ask("GET", "houses", params=query)).status_code == 400
    kept = await street.ask("GET", "houses", params={"projection": '{"alarm": 1}'})
    assert sorted(item.get("alarm", "") for item in kept.json()["_items"]) == ["", "1234"]


async def test_embedding_never_shows_what_a_list_would_not(street: Street) -> None:
    letter = await street.api.store.collection("letters").get(street.letter["_id"])
    assert letter is not None
    await street.api.store.collection("letters").replace(letter | {"room": street.their_room["_id"]})
    street.be("*.*", more=(Grant(frozenset({"letters.read"})),))
    shown = (await street.ask("GET", f"letters/{letter['_id']}", params={"embedded": '{"room": 1, "room.house": 1}'})).json()
    assert shown["room"] == street.their_room["_id"]


async def test_a_resource_can_refuse_api_keys(street: Street) -> None:
    for kind, status in (("user", 200), ("apikey", 403)):
        street.api.authenticator.principal = Principal(id="1", email="x", kind=kind, grants=an_admin().grants)
        answer = await street.ask("GET", "people")
        assert answer.status_code == status
    assert "API Key access is not allowed for this resource" in answer.json()["_error"]["message"]


async def test_scopes_of_several_grants_add_up_for_each_permission_by_itself(street: Street) -> None:
    both = Scope(anchors={"houses": ({"_id": street.theirs["_id"]},)})
    street.be("rooms.read", "rooms.update", more=(Grant(frozenset({"rooms.read"}), both),))
    assert sorted(await street.names("rooms")) == ["cellar", "kitchen"]
    answers = [
        await street.ask("PATCH", f"rooms/{room['_id']}", json={"size": 1}, headers={"If-Match": "*"})
        for room in (street.my_room, street.their_room)
    ]
    assert [answer.status_code for answer in answers] == [200, 403]


async def test_a_caller_without_any_grant_is_known_and_may_nothing(street: Street) -> None:
    street.api.authenticator.principal = Principal(id="9", email="x")
    assert (await street.ask("GET", "me")).json() == {"id": "9"}
    assert (await street.ask("GET", "rooms")).status_code == 403
    assert (await street.ask("GET", "nowhere")).status_code == 404


async def test_a_grant_on_single_documents_covers_these(street: Street) -> None:
    scope = Scope(anchors={"paints": ({"_id": street.paint["_id"]},)})
    street.be("rooms.read", more=(Grant(frozenset({"paints.update"}), scope),))
    answer = await street.ask("PATCH", f"paints/{street.paint['_id']}", json={"name": "blue"}, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text
    other = await street.api.documents("paints").insert(street.api.documents("paints").new({"name": "green"}))
    assert (await street.ask("PATCH", f"paints/{other['_id']}", json={"name": "x"}, headers={"If-Match": "*"})).status_code == 404


async def test_an_answer_about_everything_takes_a_grant_that_holds_everywhere(street: Street) -> None:
    assert (await street.ask("GET", "whole")).status_code == 403
    street.be("rooms.read", more=(Grant(frozenset({"houses.read"})),))
    assert (await street.ask("GET", "whole")).status_code == 200


async def test_sending_a_hidden_field_tells_nothing_of_it(street: Street) -> None:
    path = f"houses/{street.mine['_id']}"
    answers = [
        await street.ask("PATCH", path, json=body, headers={"If-Match": "*"}) for body in ({"safe": "4321"}, {"safe": "1"}, {"x": 1})
    ]
    assert [answer.status_code for answer in answers] == [422] * 3
    sentences = {answer.json()["_error"]["message"].replace('"x"', '"safe"') for answer in answers}
    assert len(sentences) == 1
    assert (await street.ask("PATCH", path, json={"floors": 2}, headers={"If-Match": "*"})).status_code == 200
