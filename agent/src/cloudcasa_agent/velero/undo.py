"""Takes away what a restore made that was stopped, and nothing else.

A restore's own are the objects that carry its name (velero.io/restore-name) and are no older than it: with the policy to update, Velero writes
its name on objects that were there before. A namespace that is no older than the restore goes as a whole, unless somebody else put something
into it. What has no namespace stays, and is named: a class or definition may have users by now. Source: velero v1.18.3, pkg/restore/restore.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from cloudcasa_agent.kit.timeout import Timeout
from cloudcasa_agent.kube import JsonObject, KubeClient, KubeError, NotFoundError, Resource
from cloudcasa_agent.kube.errors import ConflictError
from cloudcasa_agent.kube.resources import NAMESPACES

from .drive import Drive
from .kinds import kinds_of
from .resources import RESTORE_NAME_LABEL, VELERO_GROUP, label_value

_GONE_SECONDS = 180.0
_PARALLEL = 8
_SHOWN = 5
_COMES_BY_ITSELF = frozenset(
    {
        ("ConfigMap", "kube-root-ca.crt"),
        ("ConfigMap", "openshift-service-ca.crt"),
        ("ServiceAccount", "builder"),
        ("ServiceAccount", "default"),
        ("ServiceAccount", "deployer"),
    }
)
"""What Kubernetes puts into every namespace."""
_OF_OTHERS = frozenset({"Endpoints", "Event", "Lease"})
"""Kinds that only follow from other objects."""


@dataclass(frozen=True)
class Undone:
    """What was taken away, and sentences about what was not."""

    removed: int
    left: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """One object and its kind."""

    resource: Resource
    item: JsonObject

    @property
    def namespace(self) -> str:
        """Return its namespace, empty for what has none."""
        return str(self.item["metadata"].get("namespace", ""))

    @property
    def text(self) -> str:
        """Return it for people."""
        return f"{self.resource.kind} {'/'.join(filter(None, (self.namespace, self.item['metadata']['name'])))}"


async def undo_restore(drive: Drive, restore: JsonObject) -> Undone:
    """Take away what a restore that has ended made, and wait until it is gone."""
    client, since = drive.client, restore["metadata"]["creationTimestamp"]
    selector = f"{RESTORE_NAME_LABEL}={label_value(restore['metadata']['name'])}"
    served = [kind.resource for kind in kinds_of(await client.served()).values() if kind.resource.group != VELERO_GROUP]
    found, unread = await _list_all(client, served, selector=selector)
    made = [one for one in found if is_younger(one.item, since) and one.resource != NAMESPACES]
    own = [one for one in made if one.namespace and one.namespace != drive.namespace]
    young = [item for item in (await client.list(NAMESPACES)).items if is_younger(item, since)]
    named = {one.namespace for one in own} | targets(restore)
    whole, left = await _whole(client, served, [item for item in young if item["metadata"]["name"] in named], mine=selector)
    kept = [one for one in own if one.namespace not in {each.item["metadata"]["name"] for each in whole}]
    await _delete(client, [*whole, *kept])
    wide = [one for one in made if not one.namespace]
    staying = await _wait_gone(client, [*whole, *kept])
    return Undone(len(own) + len(whole) - len(staying), (*left, *_sentences(wide, staying, unread)))


def is_younger(item: JsonObject, since: str) -> bool:
    """Tell whether an object is no older than a time, both as the API server writes them."""
    return datetime.fromisoformat(item["metadata"]["creationTimestamp"]) >= datetime.fromisoformat(since)


def targets(restore: JsonObject, /) -> set[str]:
    """Return the namespaces into which a restore puts something, as far as it names them."""
    renamed: dict[str, str] = restore["spec"].get("namespaceMapping") or {}
    return {renamed.get(name, name) for name in (*(restore["spec"].get("includedNamespaces") or ()), *renamed)}


def strangers(objects: Iterable[Made], *, selector: str) -> list[str]:
    """Return the objects of a namespace that neither the restore nor Kubernetes itself put there."""
    key, _, value = selector.partition("=")
    return [one.text for one in objects if not _belongs(one, key=key, value=value)]


def _belongs(one: Made, *, key: str, value: str) -> bool:
    metadata = one.item["metadata"]
    if (metadata.get("labels") or {}).get(key) == value or metadata.get("ownerReferences") or metadata.get("deletionTimestamp"):
        return True
    if one.resource.kind in _OF_OTHERS or (one.resource.kind, metadata["name"]) in _COMES_BY_ITSELF:
        return True
    is_token = "kubernetes.io/service-account.name" in (metadata.get("annotations") or {})
    return is_token or metadata["name"].startswith("system:")


async def _whole(
    client: KubeClient, served: Collection[Resource], namespaces: Iterable[JsonObject], *, mine: str
) -> tuple[list[Made], list[str]]:
    """Return the namespaces that may go with all they hold, and sentences about those that may not."""
    whole, left = [], []
    for item in namespaces:
        name = item["metadata"]["name"]
        found, unread = await _list_all(client, [one for one in served if one.is_namespaced], namespace=name)
        if foreign := [*strangers(found, selector=mine), *(f"{kind} could not be read" for kind in unread)]:
            left.append(f'The namespace "{name}" stays: it holds what the restore did not make ({_some(foreign)}).')
        else:
            whole.append(Made(NAMESPACES, item))
    return whole, left


async def _list_all(
    client: KubeClient, served: Iterable[Resource], *, selector: str = "", namespace: str = ""
) -> tuple[list[Made], list[str]]:
    """Return the objects of all kinds, and the kinds that could not be read, as of an API whose server is away."""
    gate = asyncio.Semaphore(_PARALLEL)
    unread: list[str] = []

    async def listed(resource: Resource) -> list[Made]:
        async with gate:
            try:
                found = await client.list(resource, namespace=namespace, label_selector=selector, is_metadata_enough=True)
            except NotFoundError:
                return []
            except KubeError:
                unread.append(resource.kind)
                return []
            return [Made(resource, item) for item in found.items]

    several = await asyncio.gather(*map(listed, served))
    return [one for each in several for one in each], sorted(unread)


async def _delete(client: KubeClient, objects: Iterable[Made]) -> None:
    for one in objects:
        try:
            await client.delete_exactly(one.resource, one.item)
        except ConflictError:
            continue  # another object has its name by now


async def _wait_gone(client: KubeClient, objects: list[Made]) -> list[Made]:
    """Return what is still there when the time is over."""
    budget, staying = Timeout(_GONE_SECONDS), objects
    while staying and not budget.is_over:
        found = await asyncio.gather(*(_find(client, one) for one in staying))
        staying = [one for one, have in zip(staying, found, strict=True) if have and have["metadata"]["uid"] == one.item["metadata"]["uid"]]
        if staying:
            await asyncio.sleep(1.0)
    return staying


async def _find(client: KubeClient, one: Made) -> JsonObject | None:
    return await client.find(one.resource, name=one.item["metadata"]["name"], namespace=one.namespace)


def _sentences(wide: list[Made], staying: list[Made], unread: list[str]) -> Iterable[str]:
    if unread:
        yield f"The cluster's API did not tell whether the restore made some of these: {_some(unread)}."
    if wide:
        yield f"What has no namespace stays, since others may use it by now: {_some([one.text for one in wide])}."
    if staying:
        yield f"Not gone within {_GONE_SECONDS / 60:.0f} minutes: {_some([one.text for one in staying])}."


def _some(texts: list[str]) -> str:
    rest = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
