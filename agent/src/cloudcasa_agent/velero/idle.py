"""Whether Velero may be started anew without harm: a run that it is working on would end Failed. Source: velero.md 3."""

from __future__ import annotations

import asyncio

from cloudcasa_contract.states import TERMINAL_VELERO_PHASES, VeleroPhase

from cloudcasa_agent.kube import KubeClient

from .resources import BACKUPS, RESTORES

_UNHURT = TERMINAL_VELERO_PHASES | {VeleroPhase.DELETING}
POLL_SECONDS = 1.0


def is_unhurt(phase: str, /) -> bool:
    """Tell whether a restart of Velero leaves a run in this phase as it is."""
    return phase in _UNHURT or phase.startswith(VeleroPhase.WAITING_FOR_PLUGIN_OPERATIONS)


async def is_busy(client: KubeClient, *, namespace: str) -> bool:
    """Tell whether a restart of Velero would hurt a run."""
    listings = await asyncio.gather(*(client.list_or_empty(resource, namespace=namespace) for resource in (BACKUPS, RESTORES)))
    phases = [(item.get("status") or {}).get("phase") or VeleroPhase.NEW for items in listings for item in items]
    return any(not is_unhurt(phase) for phase in phases)


async def wait_idle(client: KubeClient, *, namespace: str) -> None:
    """Return when no run would be hurt; the caller holds the lock that run-starting commands share, so no new one begins."""
    while True:
        if not await is_busy(client, namespace=namespace):
            return
        await asyncio.sleep(POLL_SECONDS)
