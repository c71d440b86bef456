"""The description of toy resources: what a schema says follows from the declaration."""

from __future__ import annotations

from typing import Any

import pytest
from cloudcasa_server.kit.openapi import Description, describe
from cloudcasa_server.kit.rest import Docs, Name, Resource, ResourceModel, RestApi, RouteDocs, ShownModel, open_access

from tests.support.api import a_rest, a_store
from tests.support.clock import FakeClock


class Wheel(ResourceModel):
    size: int


class Credentials(ResourceModel):
    key: str


class Garage(ResourceModel):
    credentials: Credentials | None = None
    owner: str | None = None


class Car(ResourceModel):
    name: Name
    maker: str | None = None
    drivers: list[str] | None = None
    wheels: list[Wheel] | None = None
    garage: Garage | None = None
    engine: Wheel | None = None


class CarStatus(ShownModel):
    state: str
    message: str | None = None
    """Why, for people."""


class CarShown(ShownModel):
    status: CarStatus
    metrics: int | None = None
    secret_place: str | None = None


CAR = Resource(
    name="cars",
    title="Car",
    noun="car",
    model=Car,
    references={"maker": "makers", "drivers": "makers", "garage.owner": "makers", "engine.size": "nowhere"},
    write_only=frozenset({"garage.credentials"}),
    hidden=frozenset({"secret_place"}),
    docs=Docs(shown=CarShown, example={"name": "a"}, parameters={"metrics": "Add metrics."}),
)
MAKER = Resource(name="makers", title="Maker", noun="maker", methods=frozenset({"list", "get"}))
ABOUT = Description(title="Cars", version="1", text="Cars.")


@pytest.fixture
def rest(tmp_path) -> RestApi:
    rest = a_rest(a_store(tmp_path), FakeClock())
    rest.add(CAR)
    rest.add(MAKER)
    return rest


def described(rest: RestApi, **options: Any) -> dict[str, Any]:
    return describe(rest, ABOUT, **options)


def schema(rest: RestApi, name: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = described(rest, **options)["components"]["schemas"][name]
    return found


def options_of(part: dict[str, Any]) -> list[str]:
    """Return the kinds of a schema's alternatives: types, and names of schemas."""
    return [one.get("type") or one["$ref"].rpartition("/")[2] for one in part["anyOf"]]


def test_a_reference_may_be_embedded_in_an_answer_but_is_an_id_in_a_body(rest):
    answer, body = schema(rest, "CarListed")["properties"], schema(rest, "CarBody")["properties"]

    assert options_of(answer["maker"]) == ["string", "MakerListed", "null"]
    assert options_of(body["maker"]) == ["string", "null"]
    assert body["maker"]["anyOf"][0]["pattern"] == "^([0-9a-fA-F]{24})?$"


def test_a_reference_in_a_list_and_one_in_an_object_may_be_embedded_too(rest):
    answer = schema(rest, "CarListed")["properties"]

    assert options_of(answer["drivers"]["anyOf"][0]["items"]) == ["string", "MakerListed"]
    assert options_of(answer["garage"]["anyOf"][0]["properties"]["owner"]) == ["string", "MakerListed", "null"]


def test_a_secret_is_in_bodies_only_and_what_is_hidden_is_nowhere(rest):
    text = str(described(rest))

    assert "credentials" in str(schema(rest, "CarBody"))
    assert "credentials" not in str(schema(rest, "CarListed"))
    assert "secret_place" not in text


def test_what_the_server_may_leave_out_is_absent_and_never_null(rest):
    listed, whole = schema(rest, "CarListed"), schema(rest, "Car")
    status = listed["properties"]["status"]

    assert listed["properties"]["metrics"] == {"type": "integer"}
    assert status["properties"]["message"] == {"type": "string", "description": "Why, for people."}
    assert status["required"] == ["state"]
    assert set(whole["required"]) == {"_id", "_etag", "_created", "_updated", "_links", "name", "status"}


def test_a_patch_requires_nothing_but_elements_of_lists_stay_whole(rest):
    patch = schema(rest, "CarPatch")

    assert "required" not in patch
    assert "required" not in patch["properties"]["engine"]["anyOf"][0]
    assert patch["properties"]["wheels"]["anyOf"][0]["items"]["required"] == ["size"]


def test_a_body_may_hold_what_a_client_read_and_nothing_that_is_not_known(rest):
    body = schema(rest, "CarBody")

    assert body["additionalProperties"] is False
    assert body["properties"]["_etag"]["readOnly"] is True


def test_answers_may_grow_except_in_the_strict_document_for_tests(rest):
    assert "additionalProperties" not in schema(rest, "CarListed")
    assert schema(rest, "CarListed", is_strict=True)["additionalProperties"] is False


def test_only_methods_that_are_offered_are_described(rest):
    paths = described(rest)["paths"]

    assert set(paths["/api/v1/makers/{id}"]) == {"get"}
    assert set(paths["/api/v1/cars/{id}"]) == {"get", "put", "patch", "delete"}


def test_a_change_needs_if_match_and_can_fail_for_it(rest):
    operation = described(rest)["paths"]["/api/v1/cars/{id}"]["patch"]

    assert {"$ref": "#/components/parameters/if-match"} in operation["parameters"]
    assert {"412", "428"} <= set(operation["responses"])


def test_a_new_document_links_to_all_that_can_be_done_with_it(rest):
    async def wash(context, document, body):
        """Wash a car. With water."""
        return document

    rest.action("cars", "wash", wash)
    document = described(rest)

    links = document["paths"]["/api/v1/cars"]["post"]["responses"]["201"]["links"]
    assert set(links) == {"get", "replace", "patch", "delete", "wash"}
    assert links["patch"]["parameters"] == {"path.id": "$response.body#/_id", "header.If-Match": "$response.body#/_etag"}
    assert document["paths"]["/api/v1/cars/{id}/action/wash"]["post"]["summary"] == "Wash a car. With water"


def test_a_route_of_its_own_is_described_by_its_docstring_and_may_stay_unlisted(rest):
    async def about(context):
        """Say who made this."""
        return {}

    rest.route("/about", about, access=open_access("everybody may know"))
    rest.route("/logo", about, access=open_access("everybody may see"), docs=RouteDocs(is_listed=False))
    paths = described(rest)["paths"]

    assert paths["/about"]["get"]["summary"] == "Say who made this"
    assert paths["/about"]["get"]["security"] == []
    assert "/logo" not in paths


def test_routes_that_share_a_path_have_operations_of_their_own(rest):
    async def change(context):
        """Do it."""
        return {}

    for method in ("GET", "PUT"):
        rest.route("/about", change, methods=(method,), access=open_access("everybody may"))
    operations = described(rest)["paths"]["/about"]

    assert {method: one["operationId"] for method, one in operations.items()} == {"get": "about", "put": "about_put"}
    assert ("401" in operations["get"]["responses"], "401" in operations["put"]["responses"]) == (False, True)


def test_two_resources_with_one_title_are_refused_since_schemas_are_named_by_it(rest):
    rest.add(Resource(name="carts", title="Car", noun="cart"))

    with pytest.raises(ValueError, match="title Car"):
        described(rest)
