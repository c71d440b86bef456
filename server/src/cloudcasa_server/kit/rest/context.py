"""What a request carries through hooks and services: who asks, the store, the clock, the log. Handed in; there are no module globals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog
from starlette.requests import Request

from ..clock import Clock
from ..crypto import Vault
from ..errors import NotFoundError
from ..ids import is_id
from ..store import ALL, And, Document, In, Query, Store, eq
from .access import Principal
from .documents import Documents
from .recording import Change, Recorder
from .resource import Resource
from .sight import Sight, both

T = TypeVar("T")


class Services:
    """The application's services, by type: kit/rest hands them on without knowing them."""

    def __init__(self, *services: object) -> None:
        """Take the services."""
        self._by_type: dict[type[object], object] = {type(service): service for service in services}

    def add(self, service: object, *, as_type: type[object] | None = None) -> None:
        """Add a service, under its own type or a protocol's."""
        self._by_type[as_type or type(service)] = service

    def get(self, kind: type[T]) -> T:
        """Return the service of this type. Raises LookupError: a mistake in the wiring."""
        service = self._by_type.get(kind)
        if not isinstance(service, kind) and not getattr(kind, "_is_protocol", False):
            raise LookupError(f"no service {kind.__name__} was added")
        return service  # type: ignore[return-value]  # a protocol's instance, added under it


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request's surroundings."""

    principal: Principal
    store: Store
    clock: Clock
    vault: Vault
    services: Services
    resources: Mapping[str, Resource]
    request: Request
    request_id: str
    log: structlog.stdlib.BoundLogger
    parameters: Mapping[str, str]
    """The query string's parameters."""
    recorder: Recorder
    permissions: frozenset[str]
    """Every permission that a route asks for."""

    @property
    def sight(self) -> Sight:
        """Return what the caller may see and change."""
        return Sight(self.principal)

    @property
    def path_params(self) -> Mapping[str, str]:
        """Return the parts of the path the route names."""
        return self.request.path_params

    @property
    def address(self) -> str:
        """Return the caller's network address."""
        return self.request.client.host if self.request.client else ""

    def visible(self, name: str, /) -> Query:
        """Return the query of a resource's documents that the caller may read: for every list and count that a room answers itself."""
        return self.sight.visible(self.resources[name])

    async def get(self, name: str, document_id: str, /, *, permission: str | None = None) -> Document:
        """Return a document that the caller may know of, to read it or to do what the permission is for. Raises NotFoundError."""
        resource = self.resources[name]
        area = self.sight.known(resource, permission) if permission else self.sight.visible(resource)
        if area == ALL:
            return await self.documents(name).get(document_id)
        found = await self.store.collection(name).find(And((eq("_id", document_id), area)), limit=1) if is_id(document_id) else []
        if not found:
            raise NotFoundError(f'There is no {resource.noun} with the id "{document_id[:60]}".')
        return found[0]

    async def named(self, name: str, noun: str, query: Query, /, *, limit: int = 3) -> list[str]:
        """Return how a sentence calls a few documents: by name those that the caller may read, of others only that there is one."""
        collection = self.store.collection(name)
        found = await collection.find(query, limit=limit, projection={"name": True})
        known = both(In("_id", tuple(one["_id"] for one in found)), self.visible(name))
        seen = {one["_id"] for one in await collection.find(known, projection={"_id": True})} if found else set()
        return [f'{noun} "{one.get("name", one["_id"])}"' if one["_id"] in seen else f"another {noun}" for one in found]

    async def record(self, operation: str, resource: str, document: Document, **details: Any) -> None:
        """Tell the recorder what was done to a document."""
        declaration = self.resources.get(resource)
        change = Change(
            operation, resource, str(document.get("_id", "")), str(document.get("name", "")), declaration=declaration, **details
        )
        await self.tell(change)

    async def tell(self, change: Change) -> None:
        """Tell the recorder what this request did, or tried to."""
        await self.recorder.record(replace(change, principal=self.principal, address=self.address, request_id=self.request_id))

    def documents(self, name: str, /) -> Documents:
        """Return the documents of a resource, by its name: all of them, whoever calls. What a caller names goes through `get`."""
        return Documents(self.resources[name], store=self.store, clock=self.clock, vault=self.vault)

    def service(self, kind: type[T], /) -> T:
        """Return the application's service of this type."""
        return self.services.get(kind)
