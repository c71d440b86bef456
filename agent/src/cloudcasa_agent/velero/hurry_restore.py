"""Hurries a restore: wakes a controller when what it waits for has happened, instead of letting it find out at its next look.

- A DataDownload is made before its claim. Velero's node agent looks for the claim again after 5 seconds
  (v1.18.3, pkg/controller/data_download_controller.go, getTargetPVC), or at once when the DataDownload changes.
- To hand a restored volume over, it writes the claim first and the volume second. Kubernetes sees a claim whose volume is another's and looks
  again within 15 seconds (kubernetes v1.36.1, pv_controller.go, syncUnboundClaim and resync), or at once when the claim changes.

Nothing is decided here: without it every restore ends the same, only later. Can go when Velero watches instead of polling, and writes the
volume first. Measured in docs/adr/0014.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cloudcasa_agent.kube import EventKind, JsonObject, NotFoundError, Resource
from cloudcasa_agent.kube.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES

from .drive import Drive, movement_claim
from .resources import DATA_DOWNLOADS

TOUCHED = "cloudcasa.io/touched-at"
SELECTED_NODE = "volume.kubernetes.io/selected-node"

Claim = tuple[str, str]
"""Namespace and name."""


async def hurry_restore(drive: Drive, *, selector: str) -> None:
    """Hurry the DataDownloads of a restore until cancelled; `selector` finds them and the claims that the restore made."""
    await _Restore(drive, selector).run()


def is_consumed(claim: JsonObject, *, binding_mode: str) -> bool:
    """Tell whether the node agent would go on with the claim: one that waits for a pod must have been given a node."""
    return binding_mode != "WaitForFirstConsumer" or bool((claim["metadata"].get("annotations") or {}).get(SELECTED_NODE))


def is_reserved(volume: JsonObject, *, claim: Claim) -> bool:
    """Tell whether Kubernetes knows that the volume is kept for the claim and needs the claim to change to bind the two."""
    owner = volume["spec"].get("claimRef") or {}
    is_open = not owner.get("uid") and _phase(volume) == "Available"
    return is_open and (owner.get("namespace"), owner.get("name")) == claim


def is_bound(volume: JsonObject, *, claim: Claim) -> bool:
    """Tell whether the volume is the claim's."""
    owner = volume["spec"].get("claimRef") or {}
    is_taken = bool(owner.get("uid")) and _phase(volume) == "Bound"
    return is_taken and (owner.get("namespace"), owner.get("name")) == claim


@dataclass
class _Restore:
    """What is known of the volumes of one restore."""

    drive: Drive
    selector: str
    claims: dict[Claim, JsonObject] = field(default_factory=dict)
    downloads: dict[Claim, JsonObject] = field(default_factory=dict)
    touched: set[Claim] = field(default_factory=set)
    """The claims whose DataDownload was touched: once, since a touch is seen here too."""
    handed_over: set[Claim] = field(default_factory=set)
    binding_modes: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_downloads(tasks))
            tasks.create_task(self._follow_claims(tasks))

    async def _follow_downloads(self, tasks: asyncio.TaskGroup) -> None:
        async for event in self.drive.client.follow(DATA_DOWNLOADS, namespace=self.drive.namespace, label_selector=self.selector):
            if event.kind is EventKind.CHANGED:
                claim = movement_claim(event.object)
                self.downloads[claim] = event.object
                await self._look(claim, tasks=tasks)

    async def _follow_claims(self, tasks: asyncio.TaskGroup) -> None:
        async for event in self.drive.client.follow(PERSISTENT_VOLUME_CLAIMS, label_selector=self.selector):
            if event.kind is EventKind.CHANGED:
                claim = event.object["metadata"]["namespace"], event.object["metadata"]["name"]
                self.claims[claim] = event.object
                await self._look(claim, tasks=tasks)

    async def _look(self, claim: Claim, *, tasks: asyncio.TaskGroup) -> None:
        """Do what is due for a claim whose data a DataDownload brings."""
        have, download = self.claims.get(claim), self.downloads.get(claim)
        if have is None or download is None:
            return
        if _phase(have) == "Bound":
            await self._forget(have, claim=claim)
            return
        mode = await self._binding_mode(have)
        if claim not in self.touched and _phase(download) in {"", "New"} and is_consumed(have, binding_mode=mode):
            self.touched.add(claim)
            await self._annotate(DATA_DOWNLOADS, download["metadata"]["name"], namespace=self.drive.namespace)
        volume = have["spec"].get("volumeName")
        if volume and claim not in self.handed_over:
            self.handed_over.add(claim)
            tasks.create_task(self._bind(claim, volume=volume))

    async def _binding_mode(self, claim: JsonObject) -> str:
        name = claim["spec"].get("storageClassName") or ""
        if name and name not in self.binding_modes:
            found = await self.drive.client.find(STORAGE_CLASSES, name=name)
            self.binding_modes[name] = (found or {}).get("volumeBindingMode") or ""
        return self.binding_modes.get(name, "")

    async def _bind(self, claim: Claim, *, volume: str) -> None:
        """Touch the claim when its volume is kept for it."""
        namespace, name = claim
        async for event in self.drive.client.follow(PERSISTENT_VOLUMES, name=volume):
            if event.kind is EventKind.DELETED or (event.kind is EventKind.CHANGED and is_bound(event.object, claim=claim)):
                return
            if event.kind is EventKind.CHANGED and is_reserved(event.object, claim=claim):
                await self._annotate(PERSISTENT_VOLUME_CLAIMS, name, namespace=namespace)

    async def _forget(self, have: JsonObject, *, claim: Claim) -> None:
        """Leave no trace on a claim, which is the user's."""
        if TOUCHED in (have["metadata"].get("annotations") or {}):
            await self._annotate(PERSISTENT_VOLUME_CLAIMS, claim[1], namespace=claim[0], is_trace_wanted=False)

    async def _annotate(self, resource: Resource, name: str, *, namespace: str, is_trace_wanted: bool = True) -> None:
        value = datetime.now(UTC).isoformat() if is_trace_wanted else None
        with suppress(NotFoundError):
            await self.drive.client.patch(resource, {"metadata": {"annotations": {TOUCHED: value}}}, name=name, namespace=namespace)


def _phase(item: JsonObject) -> str:
    return (item.get("status") or {}).get("phase") or ""
