"""The whole description, OpenAPI 3.1: `describe` walks the declarations of a RestApi. Pure: the same declarations give the same document.

Source: https://spec.openapis.org/oas/v3.1.0. What the description cannot say, it says in words: any path answers 405 to a method it does
not offer, and any path below /api/v1 that is not listed 404.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..rest.api import AccessRoute, RestApi
from ..rest.resource import Resource
from .operations import Scene, operation, plural
from .parts import HEADERS, PARAMETERS, SCHEMAS, error_responses
from .schemas import resource_schemas, type_name

BEARER = {"type": "http", "scheme": "bearer", "description": "An API key, or the token of a session."}


@dataclass(frozen=True, slots=True)
class Description:
    """What the description says about the whole."""

    title: str
    version: str
    text: str
    licence: str = "Apache-2.0"
    security: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"bearer": BEARER})


def describe(rest: RestApi, about: Description, *, is_strict: bool = False) -> dict[str, Any]:
    """Return the document. A strict one allows no field that is not described, for tests."""
    _check_names(rest.resources)
    schemas = dict(SCHEMAS)
    for resource in rest.resources.values():
        schemas |= resource_schemas(resource, rest.resources, is_strict=is_strict)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": about.title,
            "version": about.version,
            "description": about.text,
            "license": {"name": about.licence, "identifier": about.licence},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "security": [{name: []} for name in about.security],
        "tags": [_tag(resource) for resource in rest.resources.values()] + [{"name": "server", "description": "The server itself."}],
        "paths": _paths(rest),
        "components": {
            "schemas": schemas,
            "responses": error_responses(),
            "parameters": dict(PARAMETERS),
            "headers": dict(HEADERS),
            "securitySchemes": {name: dict(scheme) for name, scheme in about.security.items()},
        },
    }


def _check_names(resources: Mapping[str, Resource]) -> None:
    names = [type_name(resource) for resource in resources.values()]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two resources have the title {', '.join(sorted(twice))}: schemas are named by it")


def _tag(resource: Resource) -> dict[str, str]:
    words = plural(resource.noun)
    text = "" if resource.model else " The server writes them; clients read."
    return {"name": resource.name, "description": f"{words[:1].upper()}{words[1:]}.{text}"}


def _paths(rest: RestApi) -> dict[str, Any]:
    routes = [route for route in rest.routes if ":path}" not in route.path and route.about.docs.is_listed]
    scene = Scene(rest.resources, _actions(routes))
    paths: dict[str, Any] = {}
    for route in sorted(routes, key=lambda route: route.path):
        for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(route.path, {})[method.lower()] = operation(route, method, scene)
    return paths


def _actions(routes: list[AccessRoute]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for route in routes:
        if route.about.action:
            found[route.about.resource] = (*found.get(route.about.resource, ()), route.about.action)
    return found
