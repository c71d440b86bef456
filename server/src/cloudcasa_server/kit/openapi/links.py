"""Links of the description: which operations an answer leads to, and where their parameters are in it.

They are what lets a program (and Schemathesis in our tests) walk from a POST to everything that can be done with the document it made.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..rest.resource import Resource
from .parts import Part

_ONE = ("get", "replace", "patch", "delete")


def links_of(resource: Resource, kind: str, actions: Sequence[str]) -> Part:
    """Return the links of an answer: of a document to its operations and actions, of a page to those of its first document."""
    place = "$response.body#/_items/0" if kind == "list" else "$response.body#"
    operations = [one for one in _ONE if one in resource.methods and one != kind]
    made = {one: _link(resource, one, place) for one in operations}
    if kind in {"create", "list"}:
        made |= {action: _link(resource, f"action_{'_'.join(action.split('-'))}", place) for action in actions}
    return made


def _link(resource: Resource, operation: str, place: str) -> Part:
    parameters = {"path.id": f"{place}/_id"}
    if operation in {"replace", "patch", "delete"}:
        parameters["header.If-Match"] = f"{place}/_etag"
    return {"operationId": f"{resource.name}_{operation}".replace("/", "_"), "parameters": parameters}
