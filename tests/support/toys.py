"""Toy resources that have one of everything a declaration can say: rooms in houses in streets."""

from __future__ import annotations

from typing import Any

from cloudcasa_server.kit.rest import Hooks, Name, Reference, RequestContext, Resource, ResourceModel, Tags, Unique
from cloudcasa_server.kit.store import Document
from pydantic import Field


class RoomFields(ResourceModel):
    name: Name
    tags: Tags
    beds: int = Field(1, ge=1)
    camel: str | None = Field(None, alias="camelCase")
    options: dict[str, Any] = Field(default_factory=dict)
    house: Reference | None = None
    neighbours: list[Reference] = Field(default_factory=list)
    inner: dict[str, Any] | None = None
    lock: dict[str, Any] | None = None
    kind: str = "plain"


class RoomHooks(Hooks):
    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        if context.parameters.get("race"):
            await context.documents("rooms").set(old["_id"], {"status.state": "MOVED"})
        return new


ROOM = Resource(
    name="rooms",
    title="Room",
    noun="room",
    model=RoomFields,
    initial=lambda: {"status": {"state": "NEW", "otp": "hush"}, "owner": "server"},
    immutable=frozenset({"kind"}),
    write_only=frozenset({"lock.code"}),
    hidden=frozenset({"status.otp"}),
    references={"house": "houses", "neighbours": "rooms", "inner.house": "houses", "_made_by": "houses"},
    unique=(Unique(("name",), 'The name "{name}" is taken by another room.'),),
    synonyms={"status.state": {"CANCELLED": "CANCELED"}},
    hooks=RoomHooks(),
)


class HouseFields(ResourceModel):
    name: Name
    street: Reference | None = None


HOUSE = Resource(name="houses", title="House", noun="house", model=HouseFields, references={"street": "streets"})
STREET = Resource(name="streets", title="Street", noun="street", model=HouseFields, methods=frozenset({"list", "get", "create"}))
