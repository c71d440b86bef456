"""What a request carries through hooks and services: who asks, the store, the clock, the log. Handed in; there are no module globals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog
from starlette.requests import Request

from ..clock import Clock
from ..crypto import Vault
from ..store import Store
from .access import Principal
from .documents import Documents
from .resource import Resource

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

    @property
    def path_params(self) -> Mapping[str, str]:
        """Return the parts of the path the route names."""
        return self.request.path_params

    def documents(self, name: str, /) -> Documents:
        """Return the documents of a resource, by its name."""
        return Documents(self.resources[name], store=self.store, clock=self.clock, vault=self.vault)

    def service(self, kind: type[T], /) -> T:
        """Return the application's service of this type."""
        return self.services.get(kind)
