"""Recognising a Velero server, and the snapshot class that Velero takes. Pure. Source: velero.md 13, 4.2."""

from __future__ import annotations

from collections.abc import Iterable

from cloudcasa_agent.kube import JsonObject

from .resources import SNAPSHOT_CLASS_DEFAULT, SNAPSHOT_CLASS_LABEL


def is_velero(deployment: JsonObject, /) -> bool:
    """Tell whether a Deployment is a Velero server, however it was installed."""
    labels = deployment["metadata"].get("labels") or {}
    template = deployment["spec"]["template"]
    if labels.get("component") == "velero" or str(labels.get("helm.sh/chart", "")).startswith("velero-"):
        return True
    if (template["metadata"].get("labels") or {}).get("deploy") == "velero":
        return True
    return any(_is_server(container) for container in template["spec"]["containers"])


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
