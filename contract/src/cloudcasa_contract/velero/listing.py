"""The lists of objects that Velero writes beside a backup and beside a restore. Source: velero v1.18.3, pkg/{backup,restore}/request.go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CLAIMS = "v1/PersistentVolumeClaim"
_NAMESPACES = "v1/Namespace"


@dataclass(frozen=True, slots=True)
class Listed:
    """One object; of a restore also what became of it: created, updated, skipped or failed."""

    api_version: str
    kind: str
    namespace: str
    name: str
    action: str = ""

    def is_kind(self, kind: str, /) -> bool:
        """Tell whether a manifest's Kind, with or without its group, means this object's; the case does not count."""
        group = self.api_version.rpartition("/")[0]
        own = self.kind.lower()
        return kind.lower() in {own, f"{own}.{group}" if group else own}


def read_listing(raw: Any, /) -> tuple[Listed, ...]:
    """Return the objects of a list. Raises AttributeError or TypeError when it is none."""
    return tuple(_listed(key, text) for key, texts in raw.items() for text in texts or [])


def _listed(key: str, text: str) -> Listed:
    version, _, kind = key.rpartition("/")
    plain, _, action = text.removesuffix(")").partition("(")
    namespace, _, name = plain.rpartition("/")
    return Listed(version, kind, namespace, name, action)


def namespaces_in(listing: tuple[Listed, ...], /) -> set[str]:
    """Return every namespace that a list names, itself or by an object in it."""
    return {item.namespace for item in listing if item.namespace} | set(_own(listing))


def _own(listing: tuple[Listed, ...]) -> Iterator[str]:
    return (item.name for item in listing if f"{item.api_version}/{item.kind}" == _NAMESPACES)


def claims_in(listing: tuple[Listed, ...], /) -> Mapping[tuple[str, str], str]:
    """Return what became of each claim, by namespace and name."""
    return {(item.namespace, item.name): item.action for item in listing if f"{item.api_version}/{item.kind}" == CLAIMS}
