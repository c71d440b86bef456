"""Gives claims that wait for a pod which does not come a node, so that their data is restored and no restore waits for hours.

A storage class with WaitForFirstConsumer makes a volume where the first pod runs, and Velero's node agent waits for that: the scheduler writes
the node on the claim. A restore of claims alone brings no pod. Velero's own way out, `restorePVC.ignoreDelayBinding`, is one setting for all
restores and also takes effect where a pod comes, whose node it then ignores. Here the agent writes the node itself, and only then: all
objects are restored, and for a while no pod uses the claim, or none that could be scheduled (ADR 0034).
Source: velero v1.18.3, pkg/util/kube/pvc_pv.go, WaitPVCConsumed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from cloudcasa_agent.kube import JsonObject, NotFoundError
from cloudcasa_agent.kube.resources import NODES, PERSISTENT_VOLUME_CLAIMS, PODS, STORAGE_CLASSES

from .drive import Drive, movement_claim
from .hurry_restore import SELECTED_NODE, Claim, is_consumed
from .resources import DATA_DOWNLOADS, RESTORES

_LOOK_SECONDS = 2.0
NO_POD_SECONDS = 20.0
"""How long after the last object was restored a pod may take to appear: controllers make theirs within a second or two."""
STUCK_POD_SECONDS = 180.0
"""How long a pod that cannot be scheduled is waited for: it may want room that comes."""
_RESTORING = {"", "New", "InProgress"}
_ENDED = {"Completed", "Failed", "Canceled"}


async def release_waiting_claims(drive: Drive, *, restore_name: str, selector: str) -> None:
    """Look after the claims of a restore until cancelled; `selector` finds their DataDownloads."""
    waiting = _Waiting(drive)
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        listed = await drive.client.list(DATA_DOWNLOADS, namespace=drive.namespace, label_selector=selector)
        claims = [movement_claim(item) for item in listed.items if (item.get("status") or {}).get("phase") not in _ENDED]
        restore = await drive.client.find(RESTORES, name=restore_name, namespace=drive.namespace) if claims else None
        if restore is not None and ((restore.get("status") or {}).get("phase") or "") not in _RESTORING:
            await waiting.look(claims)


@dataclass
class _Waiting:
    """Since when which claims wait."""

    drive: Drive
    since: dict[Claim, float] = field(default_factory=dict)

    async def look(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            if await self._is_waiting(claim):
                await self._judge(claim, seconds=time.monotonic() - self.since.setdefault(claim, time.monotonic()))

    async def _is_waiting(self, claim: Claim) -> bool:
        have = await self.drive.client.find(PERSISTENT_VOLUME_CLAIMS, name=claim[1], namespace=claim[0])
        if have is None or (have.get("status") or {}).get("phase") == "Bound":
            return False
        name = have["spec"].get("storageClassName") or ""
        storage_class = await self.drive.client.find(STORAGE_CLASSES, name=name) if name else None
        return not is_consumed(have, binding_mode=(storage_class or {}).get("volumeBindingMode") or "")

    async def _judge(self, claim: Claim, *, seconds: float) -> None:
        if seconds < NO_POD_SECONDS:
            return
        pods = (await self.drive.client.list(PODS, namespace=claim[0])).items
        if any(uses(pod, claim=claim[1]) for pod in pods) and seconds < STUCK_POD_SECONDS:
            return
        await self._choose_node(claim)

    async def _choose_node(self, claim: Claim) -> None:
        nodes, pods = await asyncio.gather(
            self.drive.client.list(NODES), self.drive.client.list(PODS, namespace=self.drive.namespace, label_selector="name=node-agent")
        )
        what = f'No pod uses claim "{claim[1]}" of namespace "{claim[0]}"'
        node = choose_node(nodes.items, node_agents=pods.items)
        if not node:
            self.drive.say(phase="Waiting", activity=f"{what}, and no node is ready for its volume.")
            return
        self.drive.say(phase="Waiting", activity=f'{what}: its volume is made on node "{node}", so that its data comes back.')
        body: JsonObject = {"metadata": {"annotations": {SELECTED_NODE: node}}}
        with suppress(NotFoundError):
            await self.drive.client.patch(PERSISTENT_VOLUME_CLAIMS, body, name=claim[1], namespace=claim[0])


def uses(pod: JsonObject, *, claim: str) -> bool:
    """Tell whether a pod that has not ended mounts a claim."""
    volumes = pod["spec"].get("volumes") or []
    is_open = (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}
    return is_open and any((volume.get("persistentVolumeClaim") or {}).get("claimName") == claim for volume in volumes)


def choose_node(nodes: Collection[JsonObject], *, node_agents: Collection[JsonObject]) -> str:
    """Return a node that pods may run on and where Velero's node agent runs, "" when there is none.

    The same one for all claims of a restore: a pod may come that mounts two of them.
    """
    served = {pod["spec"].get("nodeName") for pod in node_agents if (pod.get("status") or {}).get("phase") == "Running"}
    able = sorted(node["metadata"]["name"] for node in nodes if _is_able(node))
    return next((name for name in able if name in served), "")


def _is_able(node: JsonObject) -> bool:
    spec = node.get("spec") or {}
    conditions = (node.get("status") or {}).get("conditions") or []
    is_ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    is_kept_free = any(taint.get("effect") in {"NoSchedule", "NoExecute"} for taint in spec.get("taints") or [])
    return is_ready and not spec.get("unschedulable") and not is_kept_free
