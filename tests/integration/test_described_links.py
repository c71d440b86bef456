"""Every link of the description is followed once, in a world with something of everything, and leads to an answer that is described."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from cloudcasa_server.api import describe_api
from cloudcasa_server.app import SERVER_VERSION

from tests.support.described import Described
from tests.support.server import Running, a_server
from tests.support.settled import first_ids, settled_body
from tests.support.world import a_world

OUTCOMES = {200, 201, 204, 403, 409, 412, 422, 501}
"""What following a link may come to: done, or refused for what the document is. Not 404 or 428: the link would be wrong."""


@asynccontextmanager
async def described_world(tmp_path: Any) -> AsyncIterator[tuple[Running, Described]]:
    async with a_server(tmp_path / "data") as server, a_world(server):
        yield server, Described(describe_api(server.app.state.rest, version=SERVER_VERSION, is_strict=True))


def resolved(expression: str, body: Any) -> Any:
    """Return what a link's expression finds in a body."""
    value = body
    for step in expression.removeprefix("$response.body#/").split("/"):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


async def follow(server: Running, described: Described, link: dict[str, Any], body: Any, *, example: Any) -> httpx.Response:
    """Send the request that a link describes, with a document's own settable fields as its body."""
    method, path = next(
        (method, path)
        for path, operations in described.document["paths"].items()
        for method, operation in operations.items()
        if operation["operationId"] == link["operationId"]
    )
    found = {name: resolved(expression, body) for name, expression in link["parameters"].items()}
    headers = {name.removeprefix("header."): value for name, value in found.items() if name.startswith("header.")}
    url = path.replace("{id}", found["path.id"])
    return await server.api.request(method.upper(), url, headers=headers, json=example if method in {"put", "patch", "post"} else None)


async def test_links_of_lists_and_documents_lead_to_answers_that_are_described(tmp_path):
    followed = 0
    async with described_world(tmp_path) as (server, described):
        for path, operations in described.document["paths"].items():
            if "{" in path or "get" not in operations or "X-Total-Count" not in str(operations["get"]["responses"]["200"]):
                continue
            links = operations["get"]["responses"]["200"].get("links", {})
            for name, link in sorted(links.items(), key=lambda pair: pair[0] == "delete"):
                page = (await server.api.get(path, params={"sort": "_created"})).json()
                if not page.get("_items") or (name == "delete" and path.endswith("/apikeys")):
                    continue
                answer = await follow(server, described, link, page, example={})
                assert (described.problem(answer), answer.status_code in OUTCOMES) == ("", True), answer.text
                followed += 1
    assert followed > 30


def made_links(described: Described, name: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the links of a resource's answers about one document, by operation."""
    many, one = (described.document["paths"].get(f"/api/v1/{name}{end}", {}) for end in ("", "/{id}"))
    operations = {"post": many.get("post", {}), "get": one.get("get", {}), "put": one.get("put", {}), "patch": one.get("patch", {})}
    answers = {method: operation.get("responses", {}) for method, operation in operations.items()}
    return {method: (found.get("201") or found.get("200") or {}).get("links", {}) for method, found in answers.items()}


def fresh(body: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a body whose unique values no other has."""
    unique = {"name": f"made {number}", "bucket_name": f"made-{number}", "email": f"made{number}@example.org"}
    return body | {key: value for key, value in unique.items() if key in body}


async def test_links_of_documents_that_were_made_read_and_changed_lead_to_answers_that_are_described(tmp_path):
    followed: set[tuple[str, str, str]] = set()
    numbers = itertools.count()
    async with described_world(tmp_path) as (server, described):
        rest = server.app.state.rest
        ids = await first_ids(server, rest)
        for name, resource in rest.resources.items():
            if "create" not in resource.methods or "apikey" in resource.refuses:
                continue
            for method, links in made_links(described, name).items():
                for kind, link in links.items():
                    body = fresh(settled_body(resource, ids), next(numbers))
                    document = (await server.post(name, **body)).json()
                    assert document["_status"] == "OK", (name, document)
                    path, headers = f"/api/v1/{name}/{document['_id']}", {"If-Match": document["_etag"]}
                    if method != "post":
                        sent = {"json": body, "headers": headers} if method != "get" else {}
                        document = (await server.api.request(method, path, **sent)).json()
                    answer = await follow(server, described, link, document, example=body)
                    assert (described.problem(answer), answer.status_code in OUTCOMES) == ("", True), (name, method, kind, answer.text)
                    followed.add((name, method, kind))
                    await server.api.delete(path)
    assert len(followed) > 60
    assert {("policies", "post", "patch"), ("kubebackups", "post", "run"), ("kuberestores", "post", "delete")} <= followed


async def test_every_document_of_the_world_is_as_described(tmp_path):
    seen = set()
    async with described_world(tmp_path) as (server, described):
        for path, operations in described.document["paths"].items():
            if not path.startswith("/api/v1/") or "{" in path or "get" not in operations:
                continue
            page = await server.api.get(path)
            assert described.problem(page) == ""
            items = page.json().get("_items", ())
            for item in items[:20]:
                if "_id" in item:
                    assert described.problem(await server.api.get(f"{path}/{item['_id']}")) == ""
                    seen.add(path)
    assert {
        f"/api/v1/{name}" for name in ("kubeclusters", "kubebackups", "kubeoffloads", "backupinstances", "kuberestores", "jobs")
    } <= seen


@pytest.mark.parametrize("parameters", [{"embedded": json.dumps({"cluster": 1, "backupdef": 1, "backup_inst.cluster": 1})}])
async def test_embedded_documents_are_as_described(tmp_path, parameters):
    async with described_world(tmp_path) as (server, described):
        for name in ("jobs", "backupinstances", "kuberestores", "kubebackups"):
            page = await server.api.get(f"/api/v1/{name}", params=parameters)
            assert page.json()["_items"]
            assert described.problem(page) == ""
