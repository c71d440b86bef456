"""The description of the real API: valid, current, served as it is committed, and readable without any other host."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudcasa_server.api import describe_api
from cloudcasa_server.app import SERVER_VERSION, create_app
from cloudcasa_server.kit.openapi.operations import example_answer
from cloudcasa_server.kit.openapi.schemas import type_name
from cloudcasa_server.kit.rest import RestApi
from cloudcasa_server.kit.settings import Settings
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tools.openapi import TARGET

METHODS = {"get", "put", "post", "delete", "patch"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("data"), tls=False))


@pytest.fixture(scope="module")
def rest(app) -> RestApi:
    found: RestApi = app.state.rest
    return found


@pytest.fixture(scope="module")
def document(rest) -> dict[str, Any]:
    return describe_api(rest, version=SERVER_VERSION)


@pytest.fixture
async def client(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://test") as client:
        yield client


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the operations by their ids."""
    found = [operation for path in document["paths"].values() for method, operation in path.items() if method in METHODS]
    by_id = {operation["operationId"]: operation for operation in found}
    assert len(by_id) == len(found)
    return by_id


def test_the_description_is_valid_openapi(document):
    validate(document)

    assert document["openapi"] == "3.1.0"


def test_the_committed_file_is_what_the_declarations_say(document):
    assert json.loads(TARGET.read_text(encoding="utf-8")) == document, "run: .venv/bin/python -m tools.openapi"


def test_every_resource_says_what_it_shows_and_how_one_is_made(rest):
    silent = {name for name, resource in rest.resources.items() if resource.model is None and resource.docs.shown is None}
    without = {name for name, resource in rest.resources.items() if "create" in resource.methods and not resource.docs.example}

    assert (silent, without) == (set(), set())


def test_every_route_is_described_or_says_that_it_is_not(rest, document):
    listed = {route.path for route in rest.routes if ":path}" not in route.path and route.about.docs.is_listed}

    assert set(document["paths"]) == listed


def test_every_example_is_accepted_by_its_model(rest):
    for resource in rest.resources.values():
        if resource.model and resource.docs.example:
            resource.model.model_validate_json(json.dumps(dict(resource.docs.example)))


def test_every_example_of_an_answer_fits_its_schema(rest):
    strict = describe_api(rest, version=SERVER_VERSION, is_strict=True)
    for resource in rest.resources.values():
        if resource.docs.example:
            schema = {"$ref": f"#/components/schemas/{type_name(resource)}", "components": strict["components"]}
            wrong = [error.message for error in Draft202012Validator(schema).iter_errors(example_answer(resource, is_write=True))]
            assert (resource.name, [message for message in wrong if "is a required property" not in message]) == (resource.name, [])


def test_every_link_leads_to_an_operation_with_these_parameters(document):
    known = operations(document)
    for operation in known.values():
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                target = known[link["operationId"]]
                names = {_name(document, parameter) for parameter in target["parameters"]}
                assert {name.partition(".")[2] for name in link["parameters"]} <= names


def _name(document: dict[str, Any], parameter: dict[str, Any]) -> str:
    reference = parameter.get("$ref", "").rpartition("/")[2]
    name: str = document["components"]["parameters"][reference]["name"] if reference else parameter["name"]
    return name


def test_every_operation_names_its_permission_or_says_why_it_needs_none(document):
    for operation in operations(document).values():
        assert re.match(r"Needs (the permission `[a-z_/.*-]+`|(no|any) credential: .+)\.$", operation["description"])


async def test_the_description_is_served_to_anyone_and_not_sent_again_unchanged(client, document):
    first = await client.get("/api-docs")
    again = await client.get("/api-docs", headers={"If-None-Match": first.headers["etag"]})

    assert first.json() == json.loads(json.dumps(document))
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/api-docs/", "/api-docs/ui/", "/api-docs//ui"])
async def test_a_slash_too_many_is_forgiven(client, path):
    assert (await client.get(path)).status_code == 200


async def test_the_page_loads_from_this_server_only(client):
    page = await client.get("/api-docs/ui")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert all(path.startswith("/api-docs") for path in loaded)
    assert [(await client.get(path)).status_code for path in loaded] == [200] * len(loaded)


async def test_the_page_asks_no_validator_on_the_internet(client):
    start = (await client.get("/api-docs/ui/start.js")).text

    assert "validatorUrl: null" in start
    assert "://" not in start


@pytest.mark.parametrize("name", ["__init__.py", "..%2f..%2fmain.py", "other.js", "swagger-ui.css.map"])
async def test_the_page_has_no_other_files(client, name):
    assert (await client.get(f"/api-docs/ui/{name}")).status_code == 404


def test_the_committed_file_holds_nothing_of_this_machine():
    text = TARGET.read_text(encoding="utf-8")

    assert str(Path.home()) + "/" not in text
    assert "localhost" not in text
