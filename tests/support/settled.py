"""A description whose requests mostly succeed: for walks that must get somewhere, as a random body is refused by the first rule of its room.

Bodies are the declared examples, with references to documents that exist, and fresh texts where values must be unique; lists have no parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from cloudcasa_server.kit.openapi.schemas import type_name
from cloudcasa_server.kit.rest import Resource, RestApi, paths

from .server import Running

Part = dict[str, Any]
_FRESH: Mapping[str, Part] = {
    "name": {"type": "string", "pattern": "^[a-z]{10,20}$"},
    "bucket_name": {"type": "string", "pattern": "^[a-z]{10,20}$"},
    "email": {"type": "string", "pattern": "^[a-z]{10,20}@example[.]org$"},
}


async def first_ids(server: Running, rest: RestApi) -> dict[str, str]:
    """Return the id of one document of each resource that has any."""
    found: dict[str, str] = {}
    for name in rest.resources:
        page = (await server.api.get(f"/api/v1/{name}", params={"max_results": 1, "sort": "-_created"})).json()
        found |= {name: page["_items"][0]["_id"]} if page.get("_items") else {}
    return found


def settled_body(resource: Resource, ids: Mapping[str, str]) -> Part:
    """Return a resource's example with references to what exists."""
    body = deepcopy(dict(resource.docs.example))
    for path, target in resource.references.items():
        if target in ids and isinstance(paths.get(body, path), str):
            paths.put(body, path, ids[target])
    return body


def settled(document: Part, rest: RestApi, ids: Mapping[str, str]) -> Part:
    """Return the description with such bodies."""
    document = deepcopy(document)
    schemas = document["components"]["schemas"]
    for resource in rest.resources.values():
        name = type_name(resource)
        if f"{name}Body" not in schemas or not resource.docs.example:
            continue
        body = settled_body(resource, ids)
        properties = {key: _FRESH.get(key, {"const": value}) for key, value in body.items()}
        schemas[f"{name}Body"] = {"type": "object", "properties": properties, "required": sorted(body), "additionalProperties": False}
        changes = {"name": _FRESH["name"]} if "name" in body else {}
        schemas[f"{name}Patch"] = {"type": "object", "properties": changes, "required": sorted(changes), "additionalProperties": False}
    for operations in document["paths"].values():
        if "X-Total-Count" in str(operations.get("get", {}).get("responses", {}).get("200", {})):
            operations["get"]["parameters"] = []
    return document
