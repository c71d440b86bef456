"""Judging what clients send: unknown keys, the resource's model, immutable fields. The answer is sentences by field (rest-api.md 1.10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..errors import InvalidError
from ..ids import is_id
from ..store import Document
from . import paths
from .body import MAX_BYTES
from .documents import IGNORED, settable_fields
from .resource import Resource

MAX_ISSUES = 20

M = TypeVar("M", bound=BaseModel)


def settable(body: Mapping[str, Any], resource: Resource, stored: Mapping[str, Any] | None = None) -> Document:
    """Return the client-settable part of a body.

    Ignored keys are dropped, and server-owned ones that say what is stored already (a client that sends back what it read).
    Raises InvalidError naming every unknown key.
    """
    allowed = settable_fields(resource)
    stored = {key: value for key, value in (stored or {}).items() if key not in resource.hidden}
    unknown = [key for key in body if key not in allowed and key not in IGNORED and not (key in stored and stored[key] == body[key])]
    if unknown:
        issues = {key: _why_not(key, stored, resource) for key in unknown[:MAX_ISSUES]}
        raise InvalidError(next(iter(issues.values())), issues=issues)
    return _with_plain_ids({key: value for key, value in body.items() if key in allowed}, resource)


def _with_plain_ids(fields: Document, resource: Resource) -> Document:
    """Return the fields with ids in the one spelling that is stored, so that what compares ids compares the same text."""
    for path in resource.references:
        for holder, key in list(paths.slots(fields, path)):
            value: Any = holder[key]  # type: ignore[index]  # a slot is a holder with its own kind of key
            if isinstance(value, str) and is_id(value.lower()):
                holder[key] = value.lower()  # type: ignore[index]
    return fields


def _why_not(key: str, stored: Mapping[str, Any], resource: Resource) -> str:
    if key in stored:
        return f'The field "{key[:60]}" is set by the server.'
    return f'The field "{key[:60]}" is not known to {resource.name}.'


def judge(fields: Mapping[str, Any], resource: Resource) -> None:
    """Have the model judge the fields. Raises InvalidError."""
    if resource.model is not None:
        parse(fields, resource.model, noun=resource.noun)


def parse(body: Mapping[str, Any], model: type[M], *, noun: str = "body") -> M:
    """Return the body as the model has it. Raises InvalidError with a sentence for each field that is wrong."""
    text = orjson.dumps(body)
    if len(text) > MAX_BYTES:
        raise InvalidError(f"The {noun} would be larger than {MAX_BYTES} bytes with this change.")
    try:
        return model.model_validate_json(text)
    except ValidationError as e:
        raise _invalid(e) from None


def _invalid(error: ValidationError) -> InvalidError:
    """Return sentences for what pydantic found; the values it was given stay out of them (they may be secrets)."""
    issues: dict[str, Any] = {}
    first = ""
    for one in error.errors(include_url=False, include_input=False)[:MAX_ISSUES]:
        text = _sentence(one)
        first = first or text
        _file(issues, [str(segment) for segment in one["loc"]] or ["document"], text)
    return InvalidError(first, issues=issues)


def _sentence(error: ErrorDetails) -> str:
    path = ".".join(str(segment) for segment in error["loc"])
    if error["type"] == "missing":
        return f'The field "{path}" is required.'
    if error["type"] == "extra_forbidden":
        return f'The field "{path}" is not known.'
    text = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if error["type"] in {"value_error", "assertion_error"}:
        return text
    return f'The field "{path}" is refused: {text[:1].lower()}{text[1:]}.'


def _file(issues: dict[str, Any], path: list[str], text: str) -> None:
    *way, last = path
    holder = issues
    for segment in way:
        below = holder.setdefault(segment, {})
        if not isinstance(below, dict):
            return
        holder = below
    if isinstance(holder.get(last), list):
        holder[last].append(text)
    elif last not in holder:
        holder[last] = [text]


def check_immutable(old: Mapping[str, Any], new: Mapping[str, Any], resource: Resource) -> None:
    """Refuse a change of what never changes."""
    issues = {
        field: f'The field "{field}" of a {resource.noun} cannot be changed. Make another {resource.noun} instead.'
        for field in sorted(resource.immutable)
        if old.get(field) != new.get(field)
    }
    if issues:
        raise InvalidError(next(iter(issues.values())), issues=issues)


def check_bound(old: Mapping[str, Any], new: Mapping[str, Any], resource: Resource, *, sent: Mapping[str, Any]) -> None:
    """Refuse to keep a stored secret, or a part of it, when what it was given for changes."""
    for secret, places in resource.bound.items():
        moved = [path for path in places if paths.get(old, path) != paths.get(new, path)]
        is_kept = paths.get(new, secret) is not None and paths.get(new, secret) != paths.get(sent, secret)
        if moved and is_kept:
            text = f"The stored {secret} are not used with another {moved[0]}. Send {secret} too, all of them."
            raise InvalidError(text, issues={secret.partition(".")[0]: text})


def merged(old: Any, patch: Any) -> Any:
    """Return the patch merged into the old value, object by object (Eve's merge_nested_documents)."""
    if not isinstance(old, Mapping) or not isinstance(patch, Mapping):
        return patch
    return {**old, **{key: merged(old[key], value) if key in old else value for key, value in patch.items()}}
