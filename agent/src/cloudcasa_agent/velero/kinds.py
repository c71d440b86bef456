"""Which kinds of objects Velero takes into a backup, by what the API serves. Pure.

Velero takes what can be listed, read, created and deleted, and of each group and resource the preferred version.
Source: velero v1.18.3 pkg/discovery/helper.go, filterByVerbs; aggregated discovery lists the versions of a group best first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cloudcasa_agent.kube import JsonObject, Resource

_VERBS = frozenset({"list", "create", "get", "delete"})


@dataclass(frozen=True)
class Kind:
    """A kind that Velero can back up."""

    resource: Resource
    names: frozenset[str]
    """What a selection may call it: plural, singular, short names, each also with the group behind a dot."""

    @property
    def id(self) -> str:
        """Return `<plural>.<group>`, the plural alone for the core group."""
        return kind_id(plural=self.resource.plural, group=self.resource.group)


def kind_id(*, plural: str, group: str) -> str:
    """Return `<plural>.<group>`, the plural alone for the core group."""
    return f"{plural}.{group}" if group else plural


def kinds_of(served: Iterable[JsonObject], /) -> dict[str, Kind]:
    """Return by id the kinds that Velero can back up, of APIGroupDiscovery objects."""
    found: dict[str, Kind] = {}
    for group in served:
        name = (group.get("metadata") or {}).get("name", "")
        for version in group.get("versions") or []:
            for item in version.get("resources") or []:
                kind = _kind(item, group=name, version=version["version"])
                if set(item.get("verbs") or []) >= _VERBS:
                    found.setdefault(kind.id, kind)
    return found


def _kind(item: JsonObject, *, group: str, version: str) -> Kind:
    plural, names = item["resource"], [item["resource"], item.get("singularResource") or "", *(item.get("shortNames") or [])]
    kind = (item.get("responseKind") or {}).get("kind", "")
    resource = Resource(group, version, plural, kind, is_namespaced=item.get("scope") == "Namespaced")
    return Kind(resource, frozenset(full for name in names if name for full in (name, kind_id(plural=name, group=group))))
