"""Somebody else's Velero on the cluster: whether ours may stand beside it. Pure rules, and the reading for them.

Refused unless the operator allowed it. Then both share one set of definitions, so it must hold all that ours needs; it is never changed while
another Velero is there. Measured side by side in the lab: mover.md E.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from cloudcasa_contract.commands import Finding

from cloudcasa_agent.kube import JsonObject, KubeClient
from cloudcasa_agent.kube.resources import DEPLOYMENTS

from .definitions import find_definitions, is_enough, pinned_by, show, version_of
from .detect import is_velero
from .findings import blocks, note, some
from .resources import BACKUPS, SCHEDULES, STORAGE_LOCATIONS

SLUG = "foreign-velero"
REFUSED = "Remove that Velero with its objects, or allow both: set allow_foreign_velero on the cluster. docs/admin/beside-velero.md says what that means."


@dataclass(frozen=True)
class Foreign:
    """What another installation has on the cluster."""

    servers: Mapping[str, str]
    """Name of the Deployment by namespace."""
    holders: Mapping[str, str]
    """Name of an object by namespace, of namespaces that hold Velero's objects."""
    definitions: Mapping[str, JsonObject]

    @property
    def namespaces(self) -> frozenset[str]:
        """Return the namespaces that are another installation's."""
        return frozenset(self.servers) | frozenset(self.holders)


async def find_others(client: KubeClient, *, namespace: str) -> Foreign:
    """Read what another Velero has, or left, outside of our namespace."""
    kinds = (STORAGE_LOCATIONS, BACKUPS, SCHEDULES)
    deployments, definitions, listings = await asyncio.gather(
        client.list(DEPLOYMENTS), find_definitions(client), asyncio.gather(*(client.list_or_empty(kind) for kind in kinds))
    )
    servers = {item["metadata"]["namespace"]: item["metadata"]["name"] for item in deployments.items if is_velero(item)}
    holders = {item["metadata"]["namespace"]: item["metadata"]["name"] for listing in listings for item in listing}
    return Foreign(
        servers={owner: name for owner, name in servers.items() if owner != namespace},
        holders={owner: name for owner, name in holders.items() if owner != namespace},
        definitions=definitions,
    )


def judge_others(foreign: Foreign, *, is_allowed: bool, image: str) -> Finding | None:
    """Return what another Velero means for ours: None when there is none, a note when both may work."""
    if not foreign.namespaces:
        return None
    if not is_allowed:
        return blocks(SLUG, f"Cannot install the engine: {_where(foreign)}.", REFUSED)
    have = version_of(foreign.definitions)
    if not is_enough(have, image=image):
        tag = image.rpartition("/")[2]
        holder = pinned_by(foreign.definitions.values())
        text = f"Cannot install the engine: {_where(foreign)}, and its definitions are of {show(have)}, not enough for {tag}."
        remedy = (
            f"They are held by an operator ({holder}): update that one to a Velero that is as new."
            if holder
            else "Update that Velero with its definitions to at least that version. They are not touched from here while it is there."
        )
        return blocks("foreign-velero-older", text, remedy)
    text = f"Another Velero is beside ours: {_where(foreign)}."
    remedy = (
        "Do not let both back up the same application with hooks at the same time, and give them snapshots and bandwidth enough for two."
    )
    return note("foreign-velero-beside", text, remedy)


def _where(foreign: Foreign) -> str:
    for owner, name in sorted(foreign.servers.items()):
        return f'namespace "{owner}" already runs Velero (Deployment "{name}")'
    owner, name = min(foreign.holders.items())
    more = f", and so do {some([one for one in foreign.holders if one != owner])}" if len(foreign.holders) > 1 else ""
    return f'namespace "{owner}" holds Velero objects of another installation ("{name}"){more}'
