"""Which Velero the cluster's definitions (CRDs) were made for, told from what they hold: they carry no version of their own.

Two Veleros share one set, so what another's are decides whether ours can work with them: a field that the set does not know is dropped by
the API server without a word. Newer definitions serve an older Velero. Source: velero.md 12, from the definitions of each tag.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cloudcasa_agent.kube import JsonObject, KubeClient
from cloudcasa_agent.kube.resources import CUSTOM_RESOURCE_DEFINITIONS

from .resources import CRD_NAMES, VELERO_GROUP

Version = tuple[int, int, int]
_MARKS: tuple[tuple[Version, str, str], ...] = (
    ((1, 12, 0), "datauploads", "spec.snapshotType"),
    ((1, 13, 0), "backups", "status.hookStatus"),
    ((1, 15, 0), "backuprepositories", "spec.repositoryConfig"),
    ((1, 16, 0), "datauploads", "status.acceptedByNode"),
    ((1, 17, 0), "backups", "spec.volumeGroupSnapshotLabelKey"),
    ((1, 18, 0), "backups", "status.queuePosition"),
    ((1, 18, 3), "restores", "spec.resourcePolicy"),
)
"""The field by which each version is known, oldest first."""
NEWEST_KNOWN = _MARKS[-1][0]
_TAG = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_PINNED_BY = ("olm.managed", "operators.coreos.com/", "argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/")


async def find_definitions(client: KubeClient) -> dict[str, JsonObject]:
    """Return Velero's definitions on the cluster, by plural."""
    found = await asyncio.gather(*(client.find(CUSTOM_RESOURCE_DEFINITIONS, name=name) for name in CRD_NAMES))
    return {item["metadata"]["name"].removesuffix(f".{VELERO_GROUP}"): item for item in found if item is not None}


def version_of(definitions: Mapping[str, JsonObject], /) -> Version | None:
    """Return the newest known version whose mark, and those of all before it, the set holds; None for a set older than any or not whole."""
    if len(definitions) < len(CRD_NAMES):
        return None
    found = None
    for version, plural, path in _MARKS:
        if not _has(definitions[plural], path):
            return found
        found = version
    return found


def image_version(image: str, /) -> Version | None:
    """Return the version that an image's tag names, None for one that names none."""
    match = _TAG.fullmatch(image.split("@", 1)[0].rpartition("/")[2].partition(":")[2].split("-", 1)[0])
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def is_enough(have: Version | None, *, image: str) -> bool:
    """Tell whether a set serves the Velero of an image. What cannot be told is no: of a newer Velero than is known here, nothing is."""
    wanted = image_version(image)
    return have is not None and wanted is not None and wanted <= have


def pinned_by(definitions: Iterable[JsonObject], /) -> str:
    """Return the label by which an operator or GitOps holds the definitions as they are, "" when nobody does."""
    for item in definitions:
        marks = [*(item["metadata"].get("labels") or {}), *(item["metadata"].get("annotations") or {})]
        if mark := next((mark for mark in marks if mark.startswith(_PINNED_BY)), ""):
            return mark
    return ""


def show(version: Version | None, /) -> str:
    """Return a version as people write it."""
    return "v" + ".".join(map(str, version)) if version else "an unknown or older version"


def _has(definition: JsonObject, path: str) -> bool:
    versions = [one for one in definition["spec"].get("versions") or [] if one.get("served")]
    return any(_holds((one.get("schema") or {}).get("openAPIV3Schema") or {}, path.split(".")) for one in versions)


def _holds(schema: Mapping[str, Any], path: list[str]) -> bool:
    for name in path:
        properties = schema.get("properties") or {}
        if name not in properties:
            return False
        schema = properties[name]
    return True
