"""The agent wakes controllers as soon as what they wait for has happened: against a real API and the controllers of Kubernetes itself.

There is no node agent in this lab, so the tests play its part: they leave objects as it does between two of its looks. No time decides
anything here; what is asserted is who changed which object, and how the objects end.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from cloudcasa_agent.kube import Event, EventKind, JsonObject, KubeClient, Resource
from cloudcasa_agent.kube.resources import (
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    VOLUME_SNAPSHOT_CONTENTS,
    VOLUME_SNAPSHOTS,
)
from cloudcasa_agent.velero.drive import Drive
from cloudcasa_agent.velero.hurry_backup import hurry_backup
from cloudcasa_agent.velero.hurry_restore import TOUCHED, hurry_restore
from cloudcasa_agent.velero.resources import BACKUP_NAME_LABEL, DATA_DOWNLOADS, DATA_UPLOADS, RESTORE_NAME_LABEL
from cloudcasa_contract.base import CommandId

from lab.run import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

VELERO = "velero"
NODE = "volume.kubernetes.io/selected-node"
CLASS = {"provisioner": "none.example.com", "volumeBindingMode": "WaitForFirstConsumer"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    made = Lab("hurry")
    made.up("control", parts=["velero"])
    storage_class = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "late"}} | CLASS
    made.kubectl("apply", "-f", "-", input=json.dumps(storage_class))
    yield made
    made.down()


class Listener(KubeClient):
    """The client of the work that is tested: tells when it has seen all that there is and hears of every change from then on."""

    def __init__(self, api: Any) -> None:
        super().__init__(api)
        self.is_listening = asyncio.Event()

    async def follow(self, resource: Resource, /, **selection: str) -> AsyncIterator[Event]:
        async for event in super().follow(resource, **selection):
            if event.kind is EventKind.SYNCED:
                self.is_listening.set()
            yield event


class World:
    """One namespace of its own, and one run that made what is in it."""

    def __init__(self, client: Listener) -> None:
        self.client = client
        self.name = f"app-{secrets.token_hex(3)}"
        self.drive = Drive(client=client, namespace=VELERO, command_id=CommandId("c1"), tell=lambda _: None)

    async def claim(self, *, node: str = "") -> JsonObject:
        """Make the claim of a restore; like Velero's, it can be bound to the volume that is meant for it only."""
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "late",
            "resources": {"requests": {"storage": "1Mi"}},
            "selector": {"matchLabels": {"velero.io/dynamic-pv-restore": self.name}},
        }
        return await self.make(PERSISTENT_VOLUME_CLAIMS, "data", spec, namespace=self.name, annotations={NODE: node} if node else {})

    async def download(self, *, claim: str = "data") -> JsonObject:
        spec = {
            "targetVolume": {"namespace": self.name, "pvc": claim, "pv": ""},
            "backupStorageLocation": "default",
            "snapshotID": "s",
            "sourceNamespace": self.name,
            "operationTimeout": "10m0s",
        }
        return await self.make(DATA_DOWNLOADS, f"{self.name}-{claim}", spec)

    async def volume(self, *, claim: JsonObject) -> JsonObject:
        """Make the volume that holds the data, kept for the claim as the node agent keeps it: by name, without a uid."""
        spec = {
            "capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "late",
            "csi": {"driver": "none.example.com", "volumeHandle": self.name},
            "claimRef": {"namespace": self.name, "name": claim["metadata"]["name"]},
        }
        return await self.make(PERSISTENT_VOLUMES, self.name, spec, labels={"velero.io/dynamic-pv-restore": self.name})

    async def moved_snapshot(self, name: str, *, policy: str = "Retain", held: str = "the-snapshot") -> None:
        """Make a snapshot with its content, and the upload that moves it, which holds the snapshot `held` by a content of its own."""
        upload = f"{self.name}-{name}"
        snapshot = {"volumeSnapshot": name, "storageClass": "late", "snapshotClass": ""}
        spec = {"snapshotType": "CSI", "csiSnapshot": snapshot, "sourcePVC": "data", "sourceNamespace": self.name}
        await self.make(DATA_UPLOADS, upload, spec | {"backupStorageLocation": "default", "operationTimeout": "10m0s"})
        await self._content(f"{upload}-old", handle="the-snapshot", policy=policy)
        if held:
            await self._content(upload, handle=held, policy="Delete")
        made = await self.make(VOLUME_SNAPSHOTS, name, {"source": {"persistentVolumeClaimName": "data"}}, namespace=self.name)
        path = VOLUME_SNAPSHOTS.path(namespace=self.name, name=name) + "/status"
        await self.client.request("PUT", path, body=made | {"status": {"boundVolumeSnapshotContentName": f"{upload}-old"}})

    async def _content(self, name: str, *, handle: str, policy: str) -> None:
        reference = {"name": name, "namespace": self.name}
        spec = {
            "driver": "none.example.com",
            "deletionPolicy": policy,
            "source": {"snapshotHandle": handle},
            "volumeSnapshotRef": reference,
        }
        made = await self.make(VOLUME_SNAPSHOT_CONTENTS, name, spec)
        path = VOLUME_SNAPSHOT_CONTENTS.path(name=name) + "/status"
        await self.client.request("PUT", path, body=made | {"status": {"snapshotHandle": handle, "readyToUse": True}})

    async def make(self, resource: Resource, name: str, spec: JsonObject, *, namespace: str = VELERO, **metadata: Any) -> JsonObject:
        own = {RESTORE_NAME_LABEL: self.name, BACKUP_NAME_LABEL: self.name} | metadata.pop("labels", {})
        head = {"name": name, "labels": own} | ({"namespace": namespace} if resource.is_namespaced else {}) | metadata
        return await self.client.create(
            resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": head, "spec": spec}
        )

    async def until(self, resource: Resource, name: str, wanted: Any, *, namespace: str = "") -> JsonObject:
        """Follow an object until it is as wanted; the test's own limit ends it otherwise."""
        async for event in self.client.follow(resource, namespace=namespace, name=name):
            if event.kind is EventKind.CHANGED and wanted(event.object):
                return event.object
        raise AssertionError(name)

    async def until_gone(self, resource: Resource, name: str) -> None:
        async for event in self.client.follow(resource, name=name):
            if event.kind is EventKind.DELETED or (event.kind is EventKind.SYNCED and await self.client.find(resource, name=name) is None):
                return


def play(lab: Lab, scene: Any) -> None:
    """Run a scene in a new world."""

    async def run() -> None:
        client = await Listener.connect(kubeconfig=Path(lab.env()["KUBECONFIG"]))
        try:
            world = World(client)
            await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.name}})
            await scene(world)
        finally:
            await client.aclose()

    asyncio.run(run())


async def beside(work: Coroutine[Any, Any, None], scene: Coroutine[Any, Any, Any]) -> Any:
    """Run the scene with the work going on, as a run of the agent does."""
    task = asyncio.create_task(work)
    try:
        return await scene
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def is_touched(item: JsonObject) -> bool:
    return TOUCHED in (item["metadata"].get("annotations") or {})


def test_download_is_touched_when_its_claim_has_a_node_and_not_before(lab: Lab) -> None:
    async def scene(world: World) -> None:
        await world.download(claim="data")
        await world.download(claim="unmade")
        await world.claim()
        hurry = hurry_restore(world.drive, selector=f"{RESTORE_NAME_LABEL}={world.name}")
        await beside(hurry, give_node(world))

    async def give_node(world: World) -> None:
        assert not is_touched(await world.client.get(DATA_DOWNLOADS, name=f"{world.name}-data", namespace=VELERO))
        node = {"metadata": {"annotations": {NODE: "n1"}}}
        await world.client.patch(PERSISTENT_VOLUME_CLAIMS, node, name="data", namespace=world.name)
        touched = await world.until(DATA_DOWNLOADS, f"{world.name}-data", is_touched, namespace=VELERO)
        assert "phase" not in touched.get("status", {})
        assert not is_touched(await world.client.get(DATA_DOWNLOADS, name=f"{world.name}-unmade", namespace=VELERO))

    play(lab, scene)


def test_claim_is_touched_when_its_volume_is_kept_for_it_and_keeps_no_trace(lab: Lab) -> None:
    """The controllers are away first: whatever touches the claim then is the agent."""

    async def scene(world: World) -> None:
        await world.download()
        claim = await world.claim(node="n1")
        await world.client.patch(PERSISTENT_VOLUME_CLAIMS, {"spec": {"volumeName": world.name}}, name="data", namespace=world.name)
        volume = await world.volume(claim=claim)
        await beside(hurry_restore(world.drive, selector=f"{RESTORE_NAME_LABEL}={world.name}"), hand_over(world, volume))

    async def hand_over(world: World, volume: JsonObject) -> None:
        path = PERSISTENT_VOLUMES.path(name=world.name) + "/status"
        await world.client.request("PUT", path, body=volume | {"status": {"phase": "Available"}})
        await world.until(PERSISTENT_VOLUME_CLAIMS, "data", is_touched, namespace=world.name)
        await asyncio.to_thread(lab.up)
        await world.until(
            PERSISTENT_VOLUME_CLAIMS, "data", lambda item: item["status"]["phase"] == "Bound" and not is_touched(item), namespace=world.name
        )

    lab.stop("kube-controller-manager", sig=signal.SIGKILL)
    try:
        play(lab, scene)
    finally:
        lab.up()


@pytest.mark.parametrize(
    ("policy", "held", "is_kept"),
    [("Retain", "the-snapshot", False), ("Delete", "the-snapshot", True), ("Retain", "another", True), ("Retain", "", True)],
    ids=["held by the upload too", "would delete the snapshot", "the upload holds another", "the upload holds none"],
)
def test_content_of_a_deleted_snapshot_goes_only_if_the_upload_holds_the_snapshot(
    lab: Lab, policy: str, held: str, *, is_kept: bool
) -> None:
    """What is decided of the first snapshot is decided when the content of the second one has gone."""

    async def scene(world: World) -> None:
        await world.moved_snapshot("first", policy=policy, held=held)
        await world.moved_snapshot("second")
        await beside(hurry_backup(world.drive, selector=f"{BACKUP_NAME_LABEL}={world.name}"), delete(world))

    async def delete(world: World) -> None:
        await world.client.is_listening.wait()
        for name in ("first", "second"):
            await world.client.delete(VOLUME_SNAPSHOTS, name=name, namespace=world.name)
        await world.until_gone(VOLUME_SNAPSHOT_CONTENTS, f"{world.name}-second-old")
        left = await world.client.find(VOLUME_SNAPSHOT_CONTENTS, name=f"{world.name}-first-old")
        assert (left is not None) is is_kept

    play(lab, scene)
