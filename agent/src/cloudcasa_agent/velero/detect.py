"""The pre-flight: is somebody else's Velero here, and can volumes be snapshotted? Source: velero.md 13, 4.2.

The rules are pure functions over raw objects; `check_foreign` and `find_gaps` read the cluster for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from cloudcasa_contract.commands import Problem

from cloudcasa_agent.kube import JsonObject, KubeClient
from cloudcasa_agent.kube.resources import DEPLOYMENTS, NODES, STORAGE_CLASSES, VOLUME_SNAPSHOT_CLASSES

from .errors import ForeignVeleroError
from .resources import BACKUPS, SCHEDULES, SNAPSHOT_CLASS_DEFAULT, SNAPSHOT_CLASS_LABEL, STORAGE_LOCATIONS


async def check_foreign(client: KubeClient, *, namespace: str) -> None:
    """Raise ForeignVeleroError when there is a Velero, or what one left, outside of our namespace."""
    deployments = (await client.list(DEPLOYMENTS)).items
    found = find_foreign(deployments, namespace=namespace)
    if found is not None:
        owner, name = found["metadata"]["namespace"], found["metadata"]["name"]
        text = f'Cannot install the engine: namespace "{owner}" already runs Velero (Deployment "{name}").'
        raise ForeignVeleroError(text)
    await _check_leftovers(client, namespace=namespace)


async def _check_leftovers(client: KubeClient, *, namespace: str) -> None:
    listings = await asyncio.gather(*(client.list_or_empty(resource) for resource in (STORAGE_LOCATIONS, BACKUPS, SCHEDULES)))
    for item in (item for listing in listings for item in listing):
        owner = item["metadata"]["namespace"]
        if owner != namespace:
            text = f'Cannot install the engine: namespace "{owner}" holds Velero objects of another installation ("{item["metadata"]["name"]}").'
            raise ForeignVeleroError(text)


def find_foreign(deployments: Iterable[JsonObject], *, namespace: str) -> JsonObject | None:
    """Return the first Velero Deployment outside of our namespace, or None."""
    return next((item for item in deployments if item["metadata"]["namespace"] != namespace and is_velero(item)), None)


def is_velero(deployment: JsonObject, /) -> bool:
    """Tell whether a Deployment is a Velero server, however it was installed."""
    labels = deployment["metadata"].get("labels") or {}
    template = deployment["spec"]["template"]
    if labels.get("component") == "velero" or str(labels.get("helm.sh/chart", "")).startswith("velero-"):
        return True
    if (template["metadata"].get("labels") or {}).get("deploy") == "velero":
        return True
    return any(_is_server(container) for container in template["spec"]["containers"])


async def find_gaps(client: KubeClient) -> tuple[Problem, ...]:
    """Return what would keep volumes out of backups; not fatal."""
    classes, snapshot_classes, nodes = await asyncio.gather(
        client.list_or_empty(STORAGE_CLASSES), client.list_or_empty(VOLUME_SNAPSHOT_CLASSES), client.has_any(NODES)
    )
    gaps = list(snapshot_gaps(classes, snapshot_classes=snapshot_classes))
    if nodes is None:
        text = "The cluster has no nodes: volumes cannot be copied to object storage."
        gaps.append(Problem(slug="no-nodes", text=text, remedy="Add a node."))
    return tuple(gaps)


def snapshot_gaps(classes: Iterable[JsonObject], *, snapshot_classes: Iterable[JsonObject]) -> tuple[Problem, ...]:
    """Return one finding for each storage class whose volumes cannot be snapshotted."""
    available = tuple(snapshot_classes)
    gaps: list[Problem] = []
    for item in classes:
        name, driver = item["metadata"]["name"], item["provisioner"]
        if driver.startswith("kubernetes.io/"):
            text = f'Storage class "{name}" is not a CSI class ({driver}): its volumes cannot be snapshotted.'
            gaps.append(Problem(slug="no-csi-driver", text=text, remedy="Move the data to volumes of a CSI driver."))
        elif not choose_snapshot_class(driver, snapshot_classes=available):
            text = f'Storage class "{name}" has no VolumeSnapshotClass for its driver {driver}: its volumes cannot be snapshotted.'
            remedy = f"Create a VolumeSnapshotClass for {driver}, labelled {SNAPSHOT_CLASS_LABEL}=true if there are several."
            gaps.append(Problem(slug="no-snapshot-class", text=text, remedy=remedy))
    return tuple(gaps)


def choose_snapshot_class(driver: str, /, *, snapshot_classes: Iterable[JsonObject]) -> str:
    """Return the VolumeSnapshotClass that Velero uses for a driver: labelled, else annotated default, else the only one; or "".

    Source: velero v1.18.3, pkg/util/csi/volume_snapshot.go GetVolumeSnapshotClassForStorageClass.
    """
    own = [item for item in snapshot_classes if item.get("driver") == driver]
    for item in own:
        if SNAPSHOT_CLASS_LABEL in (item["metadata"].get("labels") or {}):
            return str(item["metadata"]["name"])
    for item in own:
        if SNAPSHOT_CLASS_DEFAULT in (item["metadata"].get("annotations") or {}):
            return str(item["metadata"]["name"])
    return str(own[0]["metadata"]["name"]) if len(own) == 1 else ""


def _is_server(container: JsonObject) -> bool:
    image = str(container.get("image", "")).split("@", 1)[0].rsplit("/", 1)[-1].split(":", 1)[0]
    command = [*(container.get("command") or []), *(container.get("args") or [])]
    return image == "velero" or ("/velero" in command and "server" in command)
