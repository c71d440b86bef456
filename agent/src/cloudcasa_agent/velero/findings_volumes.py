"""The pre-flight's rules about volumes: storage classes, CSI drivers, snapshot classes. Pure. Source: velero.md 4.2, 13, 14."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cloudcasa_contract.commands import Finding

from cloudcasa_agent.kube import JsonObject

from .detect import choose_snapshot_class
from .findings import degrades, note, some
from .resources import SNAPSHOT_CLASS_LABEL

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def volume_findings(
    classes: Collection[JsonObject], *, snapshot_classes: Collection[JsonObject], drivers: Collection[str], has_snapshots: bool
) -> Iterator[Finding]:
    """Judge every storage class, and the defaults among them; `drivers` are the CSI drivers that are installed."""
    if classes and not has_snapshots:
        text = "The cluster cannot take volume snapshots: the API snapshot.storage.k8s.io is not there, so no volume is copied."
        yield degrades("no-snapshot-api", text, "Install the CSI snapshot controller and its definitions.")
    for item in classes:
        yield from _class_findings(item, snapshot_classes=snapshot_classes, drivers=drivers, has_snapshots=has_snapshots)
    yield from default_findings(classes)


def default_findings(classes: Collection[JsonObject], /) -> Iterator[Finding]:
    """Judge which class claims without one get."""
    defaults = [item["metadata"]["name"] for item in classes if (item["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"]
    if not classes:
        yield note(
            "no-storage-class", "The cluster has no storage classes: claims cannot be restored.", "Install a CSI driver with a class."
        )
    elif not defaults:
        text = "No storage class is the default: a restored claim that names none stays Pending."
        yield note("no-default-storage-class", text, f"Annotate one with {_DEFAULT_CLASS}=true.")
    elif len(defaults) > 1:
        text = f"Several storage classes are the default: {some(defaults)}. Kubernetes takes the newest."
        yield note("several-default-storage-classes", text, f"Leave {_DEFAULT_CLASS}=true on one of them.")


def _class_findings(
    item: JsonObject, *, snapshot_classes: Collection[JsonObject], drivers: Collection[str], has_snapshots: bool
) -> Iterator[Finding]:
    name, driver = item["metadata"]["name"], item["provisioner"]
    if driver.startswith("kubernetes.io/"):
        text = f'Storage class "{name}" is not a CSI class ({driver}): its volumes cannot be snapshotted.'
        yield degrades("no-csi-driver", text, "Move the data to volumes of a CSI driver.")
        return
    if driver not in drivers:
        text = f'Storage class "{name}" names the driver {driver}, which is not an installed CSI driver: its volumes cannot be snapshotted.'
        yield degrades("no-csi-driver", text, "Install the CSI driver, or move the data to a class that has one.")
        return
    own = [one for one in snapshot_classes if one.get("driver") == driver]
    if not has_snapshots or choose_snapshot_class(driver, snapshot_classes=own):
        yield from _labelled_twice(driver, own)
        return
    if own:
        names = some([one["metadata"]["name"] for one in own])
        text = f'Storage class "{name}" has several VolumeSnapshotClasses ({names}) and none is chosen: its volumes cannot be snapshotted.'
        yield degrades("snapshot-class-not-chosen", text, f"Label one of them {SNAPSHOT_CLASS_LABEL}=true.")
    else:
        text = f'Storage class "{name}" has no VolumeSnapshotClass for its driver {driver}: its volumes cannot be snapshotted.'
        yield degrades("no-snapshot-class", text, f"Create a VolumeSnapshotClass for {driver}.")


def _labelled_twice(driver: str, own: Collection[JsonObject]) -> Iterator[Finding]:
    labelled = [one["metadata"]["name"] for one in own if SNAPSHOT_CLASS_LABEL in (one["metadata"].get("labels") or {})]
    if len(labelled) > 1:
        text = f"Several VolumeSnapshotClasses of driver {driver} are labelled for backups: {some(labelled)}. The first of them is used."
        yield note("several-snapshot-classes", text, f"Leave the label {SNAPSHOT_CLASS_LABEL} on one of them.")
