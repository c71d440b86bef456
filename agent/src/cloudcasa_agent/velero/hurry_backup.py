"""Hurries a backup: does at once what Velero's node agent would do at its next look.

Of a snapshot that is moved, the node agent gives the handle to a VolumeSnapshotContent of its own, and takes the VolumeSnapshot away and then,
up to 2 seconds after that is gone, its content (v1.18.3, pkg/exposer/csi_snapshot.go, EnsureDeleteVS and EnsureDeleteVSC). A content
that is gone by then is not waited for. Can go when Velero watches instead of polling. Measured in docs/adr/0014.
"""

from __future__ import annotations

import asyncio

from cloudcasa_agent.kube import EventKind, JsonObject
from cloudcasa_agent.kube.resources import VOLUME_SNAPSHOT_CONTENTS, VOLUME_SNAPSHOTS

from .drive import Drive
from .resources import DATA_UPLOADS

Snapshot = tuple[str, str]
"""Namespace and name."""


async def hurry_backup(drive: Drive, *, selector: str) -> None:
    """Hurry the DataUploads of a backup until cancelled; `selector` finds them and the snapshots that the backup took."""
    uploads: dict[Snapshot, str] = {}
    async for event in drive.client.follow(VOLUME_SNAPSHOTS, label_selector=selector):
        content = (event.object.get("status") or {}).get("boundVolumeSnapshotContentName")
        if event.kind is not EventKind.DELETED or not content:
            continue
        snapshot = event.object["metadata"]["namespace"], event.object["metadata"]["name"]
        if snapshot not in uploads:
            listing = await drive.client.list(DATA_UPLOADS, namespace=drive.namespace, label_selector=selector)
            uploads = {_snapshot(item): item["metadata"]["name"] for item in listing.items}
        if upload := uploads.get(snapshot):
            await _drop(drive, content, upload=upload)


def is_spare(content: JsonObject, *, successor: JsonObject | None) -> bool:
    """Tell whether a VolumeSnapshotContent may go: deleting it keeps the snapshot, which a second content holds."""
    if content["spec"].get("deletionPolicy") != "Retain" or successor is None:
        return False
    handle = (content.get("status") or {}).get("snapshotHandle")
    return bool(handle) and (successor["spec"].get("source") or {}).get("snapshotHandle") == handle


def _snapshot(upload: JsonObject) -> Snapshot:
    return upload["spec"].get("sourceNamespace", ""), (upload["spec"].get("csiSnapshot") or {}).get("volumeSnapshot", "")


async def _drop(drive: Drive, name: str, *, upload: str) -> None:
    """Delete a content that is spare: the node agent has given the snapshot to the one with the upload's name."""
    old, new = await asyncio.gather(*(drive.client.find(VOLUME_SNAPSHOT_CONTENTS, name=each) for each in (name, upload)))
    if old is not None and is_spare(old, successor=new):
        await drive.client.delete(VOLUME_SNAPSHOT_CONTENTS, name=name)
