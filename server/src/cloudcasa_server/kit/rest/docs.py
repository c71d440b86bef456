"""What a declaration says about itself for readers: it changes nothing in how requests are served. kit/openapi turns it into the description.

All of it is optional: what is left out is described by what the code knows anyway (models, references, docstrings).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Docs:
    """What the description of a resource cannot know otherwise."""

    shown: type[BaseModel] | None = None
    """The server-owned fields of its answers, a ShownModel. Fields without a default are always there."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """The body of a POST that the server accepts; of a read-only resource, the fields of a document."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Further query parameters of one document: name -> what it does, with an example."""


@dataclass(frozen=True, slots=True)
class RouteDocs:
    """What the description of an action or a single route cannot know otherwise."""

    summary: str = ""
    """Default: the first line of the handler's docstring."""
    body: type[BaseModel] | None = None
    """Judges the body. None: an action reads any object, a route has none."""
    answer: type[BaseModel] | None = None
    """Of a route: the form of its answer. None: some object."""
    media_type: str = "application/json"
    """Of the answer."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """A body."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Query parameters: name -> what it does."""
    status: int = 200
    """Of success."""
    errors: frozenset[int] = frozenset()
    """Further errors that it answers."""
    is_listed: bool = True
    """False: left out of the description, as the files of a page are."""


@dataclass(frozen=True, slots=True)
class About:
    """What a route serves, for the description."""

    resource: str = ""
    """Name of the resource, of its routes and actions."""
    operations: Mapping[str, str] = field(default_factory=dict)
    """Method -> list, get, create, replace, patch or delete, of a resource's own routes."""
    action: str = ""
    docs: RouteDocs = field(default_factory=RouteDocs)


def summary_of(handler: Callable[..., object]) -> str:
    """Return the first line of a docstring, without its full stop."""
    return (inspect.getdoc(handler) or "").partition("\n")[0].rstrip(".")
