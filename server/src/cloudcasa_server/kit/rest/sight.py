"""What one caller may see and change, and how documents look to them. One for each request; used by handlers and by what rooms add.

Seeing: what the permission `<resource>.read` covers, for shared resources everything when it is held anywhere, and what must be seen because
something in scope stands on it (Resource.readable_from). Changing: only what the permission covers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ..errors import ForbiddenError
from ..store import ALL, And, Document, Or, Query
from .access import READ, Principal
from .belonging import ITSELF, Belonging, area, is_told, lies_in
from .documents import present
from .resource import Resource


@dataclass(frozen=True, slots=True)
class Sight:
    """One caller's view of the resources."""

    principal: Principal

    def visible(self, resource: Resource) -> Query:
        """Return the query of what the caller may read."""
        if self.principal.kind in resource.refuses:
            return Or(())
        return self._seen_by(resource, f"{resource.name}.{READ}")

    def reachable(self, resource: Resource, permission: str) -> Query:
        """Return the query of what the caller may name in a document that is written with this permission."""
        return either(self._seen_by(resource, f"{resource.name}.{READ}"), self._seen_by(resource, permission))

    def _seen_by(self, resource: Resource, permission: str) -> Query:
        scope = self.principal.scope(permission)
        if resource.is_shared and scope:
            return ALL
        return either(area(scope, belongs_of(resource)), area(scope, resource.readable_from))

    def covers(self, resource: Resource, permission: str, document: Document) -> bool:
        """Tell whether the permission covers the document."""
        return lies_in(document, area(self.principal.scope(permission), belongs_of(resource)))

    def known(self, resource: Resource, permission: str) -> Query:
        """Return the query of what the caller may know of when asking for an operation: the rest is not there."""
        return either(self.visible(resource), area(self.principal.scope(permission), belongs_of(resource)))

    def changeable(self, resource: Resource, operation: str) -> Query:
        """Return the query of what the caller may both read and change by an operation."""
        covered = area(self.principal.scope(f"{resource.name}.{operation}"), belongs_of(resource))
        return And((self.visible(resource), covered))

    def require(self, resource: Resource, operation: str, document: Document) -> None:
        """Refuse an operation of the resource that the caller's grants do not cover on this document. Raises ForbiddenError."""
        for permission in (f"{resource.name}.{operation}", *resource.also_needs.get(operation, ())):
            self.require_permission(resource, permission, document)

    def require_permission(self, resource: Resource, permission: str, document: Document) -> None:
        """Refuse what the permission does not cover. Raises ForbiddenError."""
        if not self.covers(resource, permission, document):
            raise ForbiddenError(_why(self.principal, resource, permission))

    def require_told(self, resource: Resource, operation: str, document: Document) -> None:
        """Refuse as early as can be told: before hooks act on a document, if it says all that belonging depends on."""
        if is_told(document, belongs_of(resource)):
            self.require(resource, operation, document)

    def seen(self, resource: Resource) -> Resource:
        """Return the resource with every guarded path hidden that is not open to the caller on all of its documents."""
        secret = {path for path, permission in resource.guarded.items() if not self.principal.scope(permission).is_all}
        return replace(resource, hidden=resource.hidden | secret) if secret else resource

    def present(self, resource: Resource, document: Document) -> Document:
        """Return a document as the caller sees it; `resource` comes from `seen`. The document given must not be used after."""
        opened = {
            path for path, permission in resource.guarded.items() if path in resource.hidden and self._opens(resource, permission, document)
        }
        return present(replace(resource, hidden=resource.hidden - opened) if opened else resource, document)

    def _opens(self, resource: Resource, permission: str, document: Document) -> bool:
        return is_told(document, belongs_of(resource)) and self.covers(resource, permission, document)


class SeenResources(Mapping[str, Resource]):
    """The resources as one caller sees them, each looked at when it is asked for: a request needs one or two of many."""

    def __init__(self, sight: Sight, declared: Mapping[str, Resource]) -> None:
        """Take the caller's view and what is declared."""
        self._sight = sight
        self._declared = declared
        self._seen: dict[str, Resource] = {}

    def __getitem__(self, name: str) -> Resource:
        """Return the resource as the caller sees it."""
        resource = self._seen.get(name)
        if resource is None:
            resource = self._seen[name] = self._sight.seen(self._declared[name])
        return resource

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._declared)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._declared)


def belongs_of(resource: Resource) -> Mapping[str, Belonging]:
    """Return how documents belong: every document belongs to itself."""
    return {resource.name: ITSELF, **resource.belongs}


def either(first: Query, second: Query) -> Query:
    """Return the query of what one of two matches."""
    if ALL in (first, second):
        return ALL
    parts = tuple(query for query in (first, second) if query != Or(()))
    return parts[0] if len(parts) == 1 else Or(parts)


def both(first: Query, second: Query) -> Query:
    """Return the query of what both match."""
    if second == ALL:
        return first
    return second if first == ALL else And((first, second))


def _why(principal: Principal, resource: Resource, permission: str) -> str:
    if not principal.allows(permission):
        return f'This needs the permission "{permission}", which your roles do not give.'
    return f'Your permission "{permission}" does not cover this {resource.noun}: it holds for other clusters, namespaces or documents only.'
