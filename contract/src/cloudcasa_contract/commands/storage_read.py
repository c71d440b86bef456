"""Reading small objects of a store: what a server that does not reach the store asks of an agent that does."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..base import WireModel
from .storage import StorageTarget

MAX_OBJECT_BYTES = 4 * 1024 * 1024
"""Larger objects are not metadata."""
MAX_ANSWER_BYTES = 9 * 1024 * 1024
"""Of all objects together: with base64, it fits into a frame and into a document of any database."""
TOO_MUCH = "It did not fit into the answer."
"""The problem of an object that may be asked for again, by itself."""
_Key = Annotated[str, Field(max_length=1024)]
_Keys = Annotated[tuple[_Key, ...], Field(max_length=2_000)]


class StorageRead(WireModel):
    """List and read below the target's prefix. It writes nothing."""

    kind: Literal["storage.read"] = "storage.read"
    storage: StorageTarget
    folders: _Keys = ()
    """Prefixes that end in a slash, or are empty: the names of what lies directly below them and has something below itself."""
    listings: _Keys = ()
    """Prefixes: the keys that begin so, as many as one page holds."""
    objects: _Keys = ()
    """Keys: the objects themselves."""


class StorageReading(WireModel):
    """What was asked for, by prefix and key. What does not exist is in none of the four."""

    kind: Literal["storage.read"] = "storage.read"
    folders: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    listings: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    objects: dict[str, str] = Field(default_factory=dict)
    """In base64."""
    problems: dict[str, str] = Field(default_factory=dict)
    """Why something that was asked for is not here, in a sentence."""
