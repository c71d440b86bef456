"""Reading what clients send: size, media type, JSON (rest-api.md 1.3, 1.10).

Refused: more than 1 MiB (413); anything but a JSON object, NaN, bad UTF-8, NUL characters, keys that databases read as operators, numbers
beyond 64 bits and absurd nesting (400).
"""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from ..errors import BadRequestError, TooLargeError

MAX_BYTES = 1_048_576
MAX_DEPTH = 32
_INTEGERS = range(-(2**63), 2**63)


async def read_object(request: Request, *, is_optional: bool = False) -> dict[str, Any]:
    """Return the JSON object in the body; an empty body is an empty object where that is allowed."""
    raw = await read_bytes(request)
    if not raw.strip() and is_optional:
        return {}
    _check_media_type(request.headers.get("content-type", ""))
    return parse_object(raw)


async def read_bytes(request: Request) -> bytes:
    """Return the body. Raises TooLargeError as soon as it is too large, or says that it will be."""
    body = bytearray()
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:12]) > MAX_BYTES:
        raise TooLargeError(f"The body is larger than {MAX_BYTES} bytes.")
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BYTES:
                raise TooLargeError(f"The body is larger than {MAX_BYTES} bytes.")
    except ClientDisconnect as e:
        raise BadRequestError("The body was not sent whole.") from e
    return bytes(body)


def _check_media_type(text: str) -> None:
    media_type = text.partition(";")[0].strip().lower()
    if media_type not in {"", "application/json", "application/merge-patch+json"}:
        raise BadRequestError(f'The body must be application/json, not "{media_type[:60]}".')


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the object of a JSON text. Raises BadRequestError."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as e:
        raise BadRequestError(f"The body is not JSON: {e}.") from e
    if not isinstance(value, dict):
        raise BadRequestError("The body must be a JSON object.")
    check_value(value)
    return value


def check_value(value: Any) -> None:
    """Refuse what a database cannot hold."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                _check_keys(one)
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
            else:
                _check_plain(one)
        if not below:
            return
        level = below
    raise BadRequestError(f"The body is nested more than {MAX_DEPTH} levels deep.")


def _check_keys(value: dict[str, Any]) -> None:
    for key in value:
        if not key or key.startswith("$") or "\0" in key:
            raise BadRequestError(f'The key "{key[:60]!s}" is not allowed: keys are not empty, do not start with "$" and have no NUL.')


def _check_plain(value: Any) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise BadRequestError("A text holds the NUL character, which is not allowed.")
    elif isinstance(value, int) and value not in _INTEGERS:
        raise BadRequestError(f"The number {value} does not fit 64 bits.")
