"""A cluster in memory behind the part of KubeClient that stopping and undoing use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from cloudcasa_agent.kube import Event, EventKind, JsonObject, KubeUnavailableError, Listing, NotFoundError, Resource
from cloudcasa_agent.kube.errors import ConflictError


def an_object(name: str, *, namespace: str = "", uid: str = "", **metadata: Any) -> JsonObject:
    place = {"namespace": namespace} if namespace else {}
    base = {"name": name, "uid": uid or f"{namespace}/{name}", "resourceVersion": "1", "creationTimestamp": "2026-11-25T06:00:00Z"}
    return {"metadata": base | place | metadata, "spec": {}}


class ToyCluster:
    """Objects by kind; deleting a namespace takes along what it holds."""

    def __init__(self, objects: dict[Resource, list[JsonObject]], *, away: Resource | None = None) -> None:
        self._objects = objects
        self._away = away
        self._changed = asyncio.Event()
        self.patched: list[str] = []

    def items(self, resource: Resource) -> list[JsonObject]:
        return self._objects.get(resource, [])

    def names(self, resource: Resource) -> list[str]:
        return sorted(item["metadata"]["name"] for item in self.items(resource))

    async def until(self, wanted: Callable[[], bool]) -> None:
        while not wanted():
            self._changed.clear()
            await self._changed.wait()

    async def served(self) -> tuple[JsonObject, ...]:
        verbs = ["list", "create", "get", "delete"]
        groups: dict[str, list[JsonObject]] = {}
        for one in self._objects:
            scope = "Namespaced" if one.is_namespaced else "Cluster"
            groups.setdefault(one.group, []).append(
                {"resource": one.plural, "responseKind": {"kind": one.kind}, "scope": scope, "verbs": verbs}
            )
        return tuple({"metadata": {"name": name}, "versions": [{"version": "v1", "resources": items}]} for name, items in groups.items())

    async def list(self, resource: Resource, /, *, namespace: str = "", label_selector: str = "", **_: Any) -> Listing:
        if resource == self._away:
            raise KubeUnavailableError("Its server is away.")
        key, _equals, value = label_selector.partition("=")
        found = [
            item
            for item in self.items(resource)
            if (not namespace or item["metadata"].get("namespace") == namespace)
            and (not key or (item["metadata"].get("labels") or {}).get(key) == value)
        ]
        return Listing(items=tuple(found), resource_version="1")

    async def find(self, resource: Resource, /, *, name: str, namespace: str = "") -> JsonObject | None:
        found = [
            item for item in self.items(resource) if item["metadata"]["name"] == name and item["metadata"].get("namespace", "") == namespace
        ]
        return found[0] if found else None

    async def delete_exactly(self, resource: Resource, item: JsonObject, /, *, only_unchanged: bool = False) -> None:
        wanted = item["metadata"]
        have = await self.find(resource, name=wanted["name"], namespace=wanted.get("namespace", ""))
        if have is None:
            return
        keys = ("uid", "resourceVersion") if only_unchanged else ("uid",)
        if any(have["metadata"][key] != wanted[key] for key in keys):
            raise ConflictError("The object is another.")
        self._objects[resource].remove(have)
        if resource.kind == "Namespace":
            for kind, items in self._objects.items():
                self._objects[kind] = [one for one in items if one["metadata"].get("namespace") != wanted["name"]]

    async def patch(self, resource: Resource, body: JsonObject, /, *, name: str, namespace: str = "") -> JsonObject:
        item = next((item for item in self.items(resource) if item["metadata"]["name"] == name), None)
        if item is None:
            raise NotFoundError("It is gone.")
        item["spec"] |= body["spec"]
        self.patched.append(name)
        self._changed.set()
        return item

    async def follow(self, resource: Resource, /, **_: Any) -> AsyncIterator[Event]:
        for item in list(self.items(resource)):
            yield Event(EventKind.CHANGED, item)
        yield Event(EventKind.SYNCED, {})
        await asyncio.Event().wait()
