"""Types for the models that judge what clients send: the rules that every resource shares (rest-api.md 1.5).

Models judge strictly (a number is not a string) and never change what is stored.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from ..ids import is_id

MAX_NAME = 128


def _check_name(text: str) -> str:
    if not text.strip():
        raise ValueError("The name must not be blank.")
    if len(text) > MAX_NAME:
        raise ValueError(f"The name is {len(text)} characters long; {MAX_NAME} are allowed.")
    return text


def _check_id(text: str) -> str:
    if not is_id(text.lower()):
        raise ValueError(f'"{text[:40]}" is not an id (24 hexadecimal characters).')
    return text


Name = Annotated[
    str, AfterValidator(_check_name), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_NAME, "pattern": r"\S"})
]
"""A name: 1 to 128 characters, not blank."""
Reference = Annotated[str, AfterValidator(_check_id)]
"""The id of another document."""
Tags = Annotated[dict[str, str], Field(default_factory=dict)]
"""Free key/value pairs."""


class ResourceModel(BaseModel):
    """The base of client-settable fields: unknown keys are refused, types are strict."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class ShownModel(BaseModel):
    """The base of server-owned fields in answers: describes, judges nothing. A field without a default is always there; `X | None = None` may be absent."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
