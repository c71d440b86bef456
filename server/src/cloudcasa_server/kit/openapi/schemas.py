"""JSON schemas of a resource's documents out of its models: the body a client sends, its patch, and what is answered.

Nested models are written where they are used, not by reference: a part is bound to its resource (a reference in an answer may be embedded, a
secret is in bodies only), and no name depends on what another room calls its classes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from ..rest.documents import IGNORED
from ..rest.resource import Resource

Schema = dict[str, Any]

DOCUMENT_ID = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
REFERENCE = {"type": "string", "pattern": "^([0-9a-fA-F]{24})?$"}
"""A client may clear a reference with an empty text, and is shown what it sent."""
ENVELOPE: Mapping[str, Schema] = {
    "_id": {**DOCUMENT_ID, "description": "Made by the server, never changes."},
    "_etag": {"type": "string", "pattern": "^[0-9a-f]{40}$", "description": "The version of the client-settable fields, for `If-Match`."},
    "_created": {"type": "string", "description": "RFC 1123, such as `Mon, 23 Nov 2026 07:04:31 GMT`."},
    "_updated": {"type": "string", "description": "RFC 1123."},
    "_links": {"type": "object", "description": "`self`, and under `related` the documents that this one names."},
}
_EXPANDED: Schema = {"anyOf": [REFERENCE, {"type": "object", "description": "What the id names, in short."}]}
MADE_BY = {
    "cc_user_email": {"type": "string", "description": "Who made it."},
    "_status": {"const": "OK", "description": "In answers to writes only."},
}
_CHILDREN = ("properties", "patternProperties")
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")


class _Untitled(GenerateJsonSchema):
    """Without a title for each field: it would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema_of(model: type[BaseModel]) -> Schema:
    """Return the schema of a model with every nested model in place. Models that hold themselves have none."""
    schema = TypeAdapter(model).json_schema(by_alias=True, schema_generator=_Untitled)
    defined = schema.pop("$defs", {})

    def inlined(part: Schema) -> Schema:
        name = part.get("$ref", "").removeprefix("#/$defs/")
        return changed({**defined[name], **{key: value for key, value in part.items() if key != "$ref"}}, inlined) if name else part

    return changed(schema, inlined)


def changed(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Return a copy with every schema in it changed, the outer before the inner ones."""
    schema = dict(change(schema))
    for key in _CHILDREN:
        if key in schema:
            schema[key] = {name: changed(one, change) for name, one in schema[key].items()}
    for key in _ALTERNATIVES:
        if key in schema:
            schema[key] = [changed(one, change) for one in schema[key]]
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = changed(schema[key], change)
    return schema


def type_name(resource: Resource) -> str:
    """Return the name of a resource's schemas: its title in one word."""
    return "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", resource.title))


def resource_schemas(resource: Resource, resources: Mapping[str, Resource], *, is_strict: bool = False) -> dict[str, Schema]:
    """Return the schemas of a resource by name. Strict ones allow no field that is not described: for tests; clients must bear new ones."""
    name = type_name(resource)
    listed = _answered(resource, resources)
    required = listed.pop("required")
    schemas = {
        f"{name}Listed": {
            **listed,
            "required": list(ENVELOPE),
            "description": f"A {resource.noun} in a list: `projection` may leave out fields.",
        },
        name: {"allOf": [{"$ref": f"#/components/schemas/{name}Listed"}], "required": required, "description": _sentence(resource)},
        f"{name}Page": _page(name),
    }
    if not is_strict:
        schemas = {key: changed(one, _open) for key, one in schemas.items()}
    return schemas | _bodies(resource, name)


def _bodies(resource: Resource, name: str) -> dict[str, Schema]:
    if resource.model is None:
        return {}
    body = schema_of(resource.model)
    for path in resource.references:
        for holder, key in _places(body, path):
            holder[key] = _with_reference(holder[key], REFERENCE)
    ignored = {key: {"readOnly": True, "description": "Ignored: set by the server."} for key in sorted(IGNORED - set(body["properties"]))}
    body["properties"] |= ignored
    if resource.docs.example:
        body["examples"] = [dict(resource.docs.example)]
    patch = {key: value for key, value in _relaxed(body).items() if key != "examples"}
    patch["description"] = f"The fields of a {resource.noun} to change, merged object by object."
    return {f"{name}Body": body, f"{name}Patch": patch}


def _relaxed(schema: Schema) -> Schema:
    """Return a schema of which nothing is required; lists are replaced whole, so what they hold stays as it is."""
    if schema.get("type") == "array":
        return schema
    schema = {key: value for key, value in schema.items() if key not in {"required", "default"}}
    if "properties" in schema:
        schema["properties"] = {key: _relaxed(one) for key, one in schema["properties"].items()}
    if "anyOf" in schema:
        schema["anyOf"] = [_relaxed(one) for one in schema["anyOf"]]
    return schema


def _answered(resource: Resource, resources: Mapping[str, Resource]) -> Schema:
    settable = schema_of(resource.model) if resource.model else {"properties": {}}
    shown = changed(schema_of(resource.docs.shown), _absent_not_null) if resource.docs.shown else {"properties": {}}
    properties = {**ENVELOPE, **MADE_BY, **settable["properties"], **shown["properties"]}
    required = [*ENVELOPE, *settable.get("required", ()), *shown.get("required", ())]
    schema: Schema = {"type": "object", "properties": properties, "required": list(dict.fromkeys(required)), "additionalProperties": False}
    for path in (*resource.write_only, *resource.hidden):
        for holder, key in list(_places(schema, path)):
            del holder[key]
    for path, name in resource.references.items():
        for holder, key in list(_places(schema, path)):
            holder[key] = _with_reference(holder[key], _embeddable(name, resources))
    for path in resource.expanded:
        for holder, key in list(_places(schema, path)):
            holder[key] = _with_reference(holder[key], _EXPANDED)
    return schema


def _embeddable(name: str, resources: Mapping[str, Resource]) -> Schema:
    if name not in resources:
        return dict(REFERENCE)
    return {"anyOf": [dict(REFERENCE), {"$ref": f"#/components/schemas/{type_name(resources[name])}Listed"}]}


def _absent_not_null(schema: Schema) -> Schema:
    """Return the schema of a shown model with `X | None = None` as X that may be absent."""
    if "properties" not in schema:
        return schema
    required = schema.get("required", ())
    return {**schema, "properties": {key: one if key in required else _without_null(one) for key, one in schema["properties"].items()}}


def _without_null(schema: Schema) -> Schema:
    rest = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    plain = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
    if not rest:
        return {key: value for key, value in schema.items() if key != "default"}
    return {**rest[0], **plain} if len(rest) == 1 else {**plain, "anyOf": rest}


def _places(schema: Schema, path: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the holder and key of every schema that a dotted path leads to; a list stands for what it holds."""
    head, _, rest = path.partition(".")
    if head in schema.get("properties", {}):
        if rest:
            yield from _places(schema["properties"][head], rest)
        else:
            yield schema["properties"], head
    below = [one for key in _ALTERNATIVES for one in schema.get(key, ())]
    for one in [*below, *([schema["items"]] if isinstance(schema.get("items"), dict) else [])]:
        yield from _places(one, path)


def _with_reference(schema: Schema, reference: Schema) -> Schema:
    """Return the schema with an id, or what may be embedded, where it has a text."""
    if schema.get("type") == "array":
        return {**schema, "items": _with_reference(schema.get("items") or {"type": "string"}, reference)}
    if "anyOf" not in schema:
        rest = {key: value for key, value in schema.items() if key in {"description", "default"}}
        return {**reference, **rest}
    options = [_with_reference(one, reference) if one.get("type") in {"string", "array"} else one for one in schema["anyOf"]]
    flat = [inner for one in options for inner in (one["anyOf"] if set(one) == {"anyOf"} else [one])]
    return {**schema, "anyOf": flat}


def _open(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "additionalProperties" or value is not False}


def _page(name: str) -> Schema:
    return {
        "type": "object",
        "description": "A page of a list.",
        "required": ["_items", "_meta", "_links"],
        "properties": {
            "_items": {"type": "array", "items": {"$ref": f"#/components/schemas/{name}Listed"}},
            "_meta": {"$ref": "#/components/schemas/PageMeta"},
            "_links": {"$ref": "#/components/schemas/PageLinks"},
        },
    }


def _sentence(resource: Resource) -> str:
    return f"A {resource.noun}, whole."
