"""The operations of the description: one per route and method, with every answer that can come."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from ..rest.access import Access
from ..rest.api import AccessRoute
from ..rest.docs import About, RouteDocs
from ..rest.documents import present
from ..rest.resource import Resource
from .links import links_of
from .parts import ERRORS, Part, header
from .schemas import MADE_BY, schema_of, type_name

_ALWAYS = {400, 503}
"""Of every route: the query string may be no UTF-8, and the database may be away."""
_OF_CALLERS = {401, 403, 429}
"""Of routes that ask who calls; 429 once too many credentials were wrong."""
_OF_PROOFS = {401, 403}
"""Of open routes that do something: what is sent is its own proof (a password, a token, a session that ends), and may be none."""
_ERRORS: Mapping[str, set[int]] = {
    "list": set(),
    "get": {404},
    "create": {409, 413, 422},
    "replace": {404, 409, 412, 413, 422, 428},
    "patch": {404, 409, 412, 413, 422, 428},
    "delete": {404, 409, 412, 422},
    "clear": set(),
    "action": {404, 409, 413, 422, 501},
}
_LISTING = ("where", "sort", "page", "max_results", "projection")
_EMPTY = frozenset({204, 303})
_WORDS = {
    "list": "List {nouns}",
    "get": "Read a {noun}",
    "create": "Make a {noun}",
    "replace": "Replace what clients set on a {noun}; what the body leaves out disappears, but not secrets",
    "patch": "Change fields of a {noun}",
    "delete": "Delete a {noun}",
    "clear": "Delete all {nouns}, or those that `where` names",
}
_SAMPLE = {
    "_id": "65aa00000000000000000001",
    "_etag": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
    "_created": 1_764_000_000,
    "_updated": 1_764_000_000,
}


@dataclass(frozen=True, slots=True)
class Scene:
    """What operations are described from."""

    resources: Mapping[str, Resource]
    actions: Mapping[str, tuple[str, ...]]
    """Resource -> its actions."""


def operation(route: AccessRoute, method: str, scene: Scene) -> Part:
    """Return the operation of a route and method."""
    about = route.about
    resource = scene.resources.get(about.resource)
    if resource is None:
        return _common(_plain(route, method, about.docs), route.access, method, tag="server")
    kind = about.operations.get(method, "action")
    made = _action(resource, about, scene) if about.action else _of_resource(resource, kind, scene)
    return _common(made, route.access, method, tag=resource.name)


def plural(noun: str) -> str:
    """Return how people call several."""
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def _common(made: Part, access: Access, method: str, *, tag: str) -> Part:
    """Return the operation with what all have: tag, security, the request's id in each answer."""
    for answer in made["responses"].values():
        if "$ref" not in answer:
            answer.setdefault("headers", {})["X-Request-ID"] = header("request-id")
    text = _need(access, method)
    return {"tags": [tag], **made, "description": text, **({"security": []} if access.is_open else {})}


def _need(access: Access, method: str) -> str:
    if access.is_open:
        return f"Needs no credential: {access.reason}."
    return f"Needs any credential: {access.reason}." if access.is_for_all else f"Needs the permission `{access.permission(method)}`."


def _of_resource(resource: Resource, kind: str, scene: Scene) -> Part:
    name = type_name(resource)
    made: Part = {
        "operationId": f"{resource.name}_{kind}".replace("/", "_"),
        "summary": _WORDS[kind].format(noun=resource.noun, nouns=plural(resource.noun)),
    }
    parameters = _parameters(resource, kind)
    if parameters:
        made["parameters"] = parameters
    if kind in {"create", "replace", "patch"}:
        made["requestBody"] = _body({"$ref": f"#/components/schemas/{name}{'Patch' if kind == 'patch' else 'Body'}"})
    made["responses"] = {**_success(resource, kind, scene), **_errors(_ERRORS[kind] | _ALWAYS | _OF_CALLERS)}
    return made


def _parameters(resource: Resource, kind: str) -> list[Part]:
    names = ["id"] if kind not in {"list", "create", "clear"} else []
    names += {"list": _LISTING, "clear": ("where",)}.get(kind, ())
    names += ["embedded"] if kind in {"list", "get"} and resource.references else []
    names += {"replace": ["if-match"], "patch": ["if-match"], "delete": ["if-match-optional"]}.get(kind, [])
    shared = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    return shared + (_query(resource.docs.parameters) if kind == "get" else [])


def _query(parameters: Mapping[str, str]) -> list[Part]:
    return [{"name": name, "in": "query", "schema": {"type": "string"}, "description": text} for name, text in parameters.items()]


def _success(resource: Resource, kind: str, scene: Scene) -> Part:
    if kind in {"delete", "clear"}:
        return {"204": {"description": "Deleted."} | ({"headers": {"X-Total-Count": header("total")}} if kind == "clear" else {})}
    schema = f"{type_name(resource)}{'Page' if kind == 'list' else ''}"
    headers = {"list": {"X-Total-Count": "total"}, "create": {"ETag": "etag", "Location": "location"}}.get(kind, {"ETag": "etag"})
    answer: Part = {
        "description": {"list": "A page.", "create": "Made."}.get(kind, "The document."),
        "headers": {name: header(key) for name, key in headers.items()},
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
    if kind != "list" and resource.docs.example:
        answer["content"]["application/json"]["example"] = example_answer(resource, is_write=kind != "get")
    if links := links_of(resource, kind, scene.actions.get(resource.name, ())):
        answer["links"] = links
    return {"201" if kind == "create" else "200": answer}


def example_answer(resource: Resource, *, is_write: bool) -> dict[str, Any]:
    """Return an answer for the resource's example."""
    document = {**_SAMPLE, **deepcopy(dict(resource.defaults)), **deepcopy(dict(resource.docs.example)), **resource.initial()}
    return present(resource, document) | ({"_status": "OK"} if is_write else {})


def _action(resource: Resource, about: About, scene: Scene) -> Part:
    docs = about.docs
    body = schema_of(docs.body) if docs.body else {"type": "object"}
    answer = _success(resource, "get", scene)["200"]
    if docs.answer:
        schema = schema_of(docs.answer)
        own = {**schema.get("properties", {}), "_status": MADE_BY["_status"]}
        answer["content"]["application/json"] = {"schema": {**schema, "properties": own}}
    return {
        "operationId": f"{resource.name}_action_{_word(about.action)}".replace("/", "_"),
        "summary": docs.summary or f"{about.action.capitalize()} a {resource.noun}",
        "parameters": [{"$ref": "#/components/parameters/id"}, *_query(docs.parameters)],
        "requestBody": _body(body, is_required=False, example=docs.example),
        "responses": {str(docs.status): answer, **_errors(_ERRORS["action"] | _ALWAYS | _OF_CALLERS | docs.errors)},
    }


def _plain(route: AccessRoute, method: str, docs: RouteDocs) -> Part:
    schema = schema_of(docs.answer) if docs.answer else {"type": "object" if docs.media_type == "application/json" else "string"}
    names = re.findall(r"\{(\w+)\}", route.path)
    made: Part = {"operationId": _word(route.path if method == "GET" else f"{route.path}/{method.lower()}"), "summary": docs.summary}
    path = [
        {"$ref": "#/components/parameters/id"}
        if name == "id"
        else {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    if parameters := [*path, *_query(docs.parameters)]:
        made["parameters"] = parameters
    if docs.body:
        made["requestBody"] = _body(schema_of(docs.body), example=docs.example)
    errors = _ALWAYS | docs.errors | ({404} if names else set()) | ({413, 422} if docs.body else set())
    errors |= _OF_PROOFS if route.access.is_open and method != "GET" else set()
    errors |= set() if route.access.is_open else _OF_CALLERS
    answer = (
        {"description": "Done."}
        if docs.status in _EMPTY
        else {"description": "The answer.", "content": {docs.media_type: {"schema": schema}}}
    )
    made["responses"] = {str(docs.status): answer, **_errors(errors)}
    return made


def _body(schema: Part, *, is_required: bool = True, example: Mapping[str, Any] | None = None) -> Part:
    return {"required": is_required, "content": {"application/json": {"schema": schema, **({"example": dict(example)} if example else {})}}}


def _errors(statuses: Iterable[int]) -> Part:
    return {str(status): {"$ref": f"#/components/responses/{ERRORS[status][0]}"} for status in sorted(statuses)}


def _word(text: str) -> str:
    return "_".join(re.findall(r"[A-Za-z0-9]+", text.removeprefix("/api/v1/")))
