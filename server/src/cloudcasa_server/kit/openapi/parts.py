"""What the operations of the description share: parameters, headers, errors. The words are those of rest-api.md 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..rest.listing import DEFAULT_RESULTS, MAX_RESULTS
from ..rest.where import MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES

Part = dict[str, Any]

_OPERATORS = "`$eq $ne $lt $lte $gt $gte $in $nin $exists $not $all $size $elemMatch $and $or $nor`"


def _json(text: str, **examples: str) -> Part:
    return {
        "in": "query",
        "schema": {"type": "string", "contentMediaType": "application/json", "contentSchema": {"type": "object"}},
        "description": text,
        "examples": {name: {"value": value} for name, value in examples.items()},
    }


PARAMETERS: Mapping[str, Part] = {
    "where": _json(
        "Only documents that match: a JSON object of fields and values, or of fields and operators. Paths are dotted, and reach into lists."
        f" The operators are {_OPERATORS} and no others. At most {MAX_DEPTH} levels, {MAX_CONDITIONS} conditions and {MAX_VALUES} values in one list."
        " `_created` and `_updated` compare with RFC 1123 texts.",
        equal='{"name": "nightly"}',
        operators='{"start_time": {"$gt": 1764000000}, "state": {"$nin": ["FAILED", "SKIPPED"]}}',
        either='{"$or": [{"name": "a"}, {"_id": "65aa00000000000000000001"}]}',
    )
    | {"name": "where"},
    "projection": _json(
        "Only these fields (`1`), or all but these (`0`); never both. `_id`, `_etag`, `_created`, `_updated` and `_links` always come.",
        only='{"name": 1}',
        without='{"status": 0}',
    )
    | {"name": "projection"},
    "embedded": _json(
        "Documents in the place of their ids, at any depth. What is not a reference is ignored, and an id that leads nowhere stays an id.",
        one='{"cluster": 1}',
        deep='{"backup_inst.cluster": 1}',
    )
    | {"name": "embedded"},
    "sort": {
        "name": "sort",
        "in": "query",
        "schema": {"type": "string"},
        "description": 'Fields by importance, `-` for descending: `-start_time,name`. `[("start_time", -1), ("name", 1)]` is understood too.',
        "examples": {"newest": {"value": "-_created"}, "two": {"value": "name,-_updated"}},
    },
    "page": {
        "name": "page",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "default": 1, "maximum": 999_999_999_999},
        "description": "Which page, from 1.",
    },
    "max_results": {
        "name": "max_results",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "default": DEFAULT_RESULTS, "maximum": 999_999_999_999},
        "description": f"Documents on a page. More than {MAX_RESULTS} are taken as {MAX_RESULTS}; `_meta` says what was taken.",
    },
    "id": {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
        "description": "The document's `_id`. Anything else is answered 404.",
        "example": "65aa00000000000000000001",
    },
    "if-match": {
        "name": "If-Match",
        "in": "header",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
        "description": "The document's `_etag`, bare, quoted or weak. Missing: 428. Not the current one: 412.",
    },
    "if-match-optional": {
        "name": "If-Match",
        "in": "header",
        "schema": {"type": "string", "minLength": 1},
        "description": "The document's `_etag`, to delete only this version. Without it, any version is deleted.",
    },
}

HEADERS: Mapping[str, Part] = {
    "request-id": {
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"},
        "description": "The request's id in the server's log; the one that was sent in `X-Request-ID`, if one was.",
    },
    "etag": {"schema": {"type": "string"}, "description": "The `_etag` in double quotes."},
    "location": {"schema": {"type": "string", "format": "uri-reference"}, "description": "The new document's path."},
    "total": {"schema": {"type": "integer", "minimum": 0}, "description": "How many documents match, on all pages."},
    "retry-after": {"schema": {"type": "integer", "minimum": 0}, "description": "Seconds to wait before trying again."},
    "challenge": {"schema": {"type": "string"}, "description": "How to log in: `Bearer`."},
}


def header(name: str) -> Part:
    """Return the reference to a shared header."""
    return {"$ref": f"#/components/headers/{name}"}


ERRORS: Mapping[int, tuple[str, str, str]] = {
    400: (
        "BadRequest",
        "Malformed: the JSON, the query's grammar, the content type.",
        'The parameter "page" must be a whole number from 1.',
    ),
    401: ("Unauthorized", "No credential, or one that is not known.", "This API key is not known. It may have been deleted."),
    403: ("Forbidden", "The caller's roles do not allow it.", 'This needs the permission "policies.create", which your roles do not give.'),
    404: ("NotFound", "There is no such document, or none that the caller may see.", 'There is no policy with the id "65aa…".'),
    405: (
        "MethodNotAllowed",
        "The method is not offered at this path; `Allow` names those that are.",
        "The method PUT is not offered here.",
    ),
    409: ("Conflict", "The document's state does not allow it now.", "The job has ended already."),
    412: ("PreconditionFailed", "`If-Match` names another version.", "This policy was changed by someone else since you read it."),
    413: ("TooLarge", "The body is larger than any document may be.", "The body is larger than 1048576 bytes."),
    422: ("Invalid", "The document is refused: `_issues` says which field and why.", 'The field "name" is required.'),
    428: ("PreconditionRequired", "`If-Match` is missing.", 'To change this policy, send its _etag in the header "If-Match".'),
    429: ("TooManyRequests", "Too many attempts. Wait as long as `Retry-After` says.", "Too many attempts. Wait for a minute."),
    501: ("NotBuilt", "Understood, but this server does not do it yet.", 'Cannot cancel job "nightly": that is not supported yet.'),
    503: ("Unavailable", "Something that the request needs is away. Try again.", "The database cannot be reached now."),
}
_MORE_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "challenge"},
    429: {"Retry-After": "retry-after"},
    503: {"Retry-After": "retry-after"},
}


def error_responses() -> dict[str, Part]:
    """Return the shared responses of errors, by name."""
    return {name: _error(status, text, sentence) for status, (name, text, sentence) in ERRORS.items()}


def _error(status: int, text: str, sentence: str) -> Part:
    body: Part = {"_status": "ERR", "_error": {"code": status, "message": sentence}}
    if name := {422: "name"}.get(status):
        body["_issues"] = {name: [sentence]}
    headers = {"X-Request-ID": "request-id", **_MORE_HEADERS.get(status, {})}
    return {
        "description": text,
        "headers": {shown: header(key) for shown, key in headers.items()},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "example": body}},
    }


SCHEMAS: Mapping[str, Part] = {
    "Error": {
        "type": "object",
        "required": ["_status", "_error"],
        "additionalProperties": False,
        "properties": {
            "_status": {"const": "ERR"},
            "_error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": {"type": "integer", "description": "The status code."},
                    "message": {"type": "string", "description": "What was tried, what happened, and what to do: for people."},
                },
            },
            "_issues": {
                "type": "object",
                "description": "Of a refused document: by field a sentence, several, or the issues of the fields in it.",
                "additionalProperties": {"$ref": "#/components/schemas/Issue"},
            },
        },
    },
    "Issue": {
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}},
            {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Issue"}},
        ]
    },
    "PageMeta": {
        "type": "object",
        "required": ["page", "max_results", "total"],
        "properties": {name: {"type": "integer", "minimum": 0} for name in ("page", "max_results", "total")},
    },
    "PageLinks": {
        "type": "object",
        "required": ["parent", "self"],
        "properties": {name: {"$ref": "#/components/schemas/Link"} for name in ("parent", "self", "next", "prev", "last")},
    },
    "Link": {
        "type": "object",
        "required": ["title", "href"],
        "properties": {"title": {"type": "string"}, "href": {"type": "string", "format": "uri-reference"}},
    },
}
