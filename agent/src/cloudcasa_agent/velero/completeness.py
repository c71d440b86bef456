"""After a backup: were whole kinds left out? Velero calls a backup Completed that lacks every object of a kind that it did not know.

Velero's log names each kind that it looked at, also those that it then left out by the selection. A kind that the API serves and the log
does not name was unknown to Velero; it is an error if the selection holds objects of it that are older than the backup. Nothing is guessed,
so Velero's own exclusions cannot raise false alarms, and the usual cost is the two requests for what the API serves.
Source: velero v1.18.3, pkg/backup/item_collector.go, getResourceItems ("Getting items for resource", before any filter).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from cloudcasa_contract.states import VeleroPhase

from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.kube import JsonObject, KubeClient, NotFoundError

from .kinds import Kind, kinds_of
from .resources import EXCLUDE_LABEL, VELERO_GROUP
from .selectors import selector_text

_SHOWN = 3
_WHOLE = {VeleroPhase.COMPLETED, VeleroPhase.PARTIALLY_FAILED}


async def find_left_out(client: KubeClient, backup: JsonObject, *, looked_at: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a sentence for each kind that a finished backup left out, and one for each that could not be checked.

    `looked_at` are the ids of kinds by Velero's log; none when it could not be read, which is another's to report. A backup that Failed
    is not asked: it says itself that it is not whole.
    """
    if not looked_at or (backup.get("status") or {}).get("phase") not in _WHOLE:
        return (), ()
    try:
        served = kinds_of(await client.served())
    except AgentError as error:
        return (), (f"It was not checked that no kind was left out: {error.text}",)
    unknown = [kind for name, kind in sorted(served.items()) if name not in looked_at and is_selected(kind, spec=backup["spec"])]
    results = await asyncio.gather(*(_check(client, kind, backup=backup) for kind in unknown))
    return tuple(error for error, _ in results if error), tuple(doubt for _, doubt in results if doubt)


def is_selected(kind: Kind, *, spec: Mapping[str, Any]) -> bool:
    """Tell whether a backup takes objects of this kind; of those without a namespace only a backup of everything takes all."""
    included, excluded = spec.get("includedResources") or [], spec.get("excludedResources") or []
    if kind.resource.group == VELERO_GROUP or any(name in kind.names for name in excluded):
        return False
    is_named = not included or "*" in included or any(name in kind.names for name in included)
    return is_named and (kind.resource.is_namespaced or set(spec.get("includedNamespaces") or ["*"]) == {"*"})


def missed(objects: Collection[JsonObject], *, spec: Mapping[str, Any], started_at: datetime) -> list[str]:
    """Return the names of the objects that a backup begun then should hold, `namespace/name`."""
    return [
        "/".join(filter(None, (item["metadata"].get("namespace"), item["metadata"]["name"])))
        for item in objects
        if datetime.fromisoformat(item["metadata"]["creationTimestamp"]) < started_at
        and not item["metadata"].get("deletionTimestamp")
        and (item["metadata"].get("labels") or {}).get(EXCLUDE_LABEL) != "true"
        and _is_inside(item["metadata"].get("namespace", ""), spec=spec)
    ]


async def _check(client: KubeClient, kind: Kind, *, backup: JsonObject) -> tuple[str, str]:
    spec = backup["spec"]
    try:
        listing = await client.list(kind.resource, label_selector=selector_text(spec.get("labelSelector") or {}), is_metadata_enough=True)
    except NotFoundError:
        return "", ""
    except AgentError as error:
        return "", f'It was not checked whether objects of kind "{kind.id}" were left out: {error.text}'
    names = missed(listing.items, spec=spec, started_at=datetime.fromisoformat(backup["status"]["startTimestamp"]))
    if not names:
        return "", ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f'kind "{kind.id}" was left out, since Velero did not know it: {", ".join(names[:_SHOWN])}{more}. Run the backup again.', ""


def _is_inside(namespace: str, *, spec: Mapping[str, Any]) -> bool:
    included, excluded = spec.get("includedNamespaces") or ["*"], spec.get("excludedNamespaces") or []
    is_included = not namespace or any(fnmatchcase(namespace, pattern) for pattern in included)
    return is_included and not any(fnmatchcase(namespace, pattern) for pattern in excluded)
