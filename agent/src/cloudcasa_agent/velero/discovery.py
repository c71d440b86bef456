"""Keeps a backup from missing whole kinds: Velero learns of new ones only every five minutes, and says nothing of those it does not know.

Velero asks the API server for its kinds when it starts and then every 5 minutes (v1.18.3, pkg/cmd/server/server.go, initDiscoveryHelper).
Objects of a CustomResourceDefinition that is younger are left out of a backup that ends Completed, without a warning; seen in the lab. So
before a run, when a kind is younger than Velero's knowledge can be, Velero is started anew, which takes seconds, as soon as no run would be
hurt by it. Only the birth of a kind counts, never an edit: controllers edit definitions all the time (CA bundles, annotations), and a version
that is served no longer is an error that Velero reports. What slips through is found after the run, by `completeness.py`.
Can go when Velero refreshes by itself before each backup.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kube import EventKind, JsonObject, KubeClient
from cloudcasa_agent.kube.resources import API_SERVICES, CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, PODS

from .drive import Drive
from .idle import POLL_SECONDS, is_busy
from .install import is_rolled_out
from .kinds import kinds_of
from .manifests import SERVER
from .resources import VELERO_GROUP

REFRESH = timedelta(minutes=5, seconds=30)
"""How old Velero's knowledge can be: its period, and what reading all kinds of a large cluster may take."""
_CLOCK_SKEW = timedelta(seconds=10)
"""How far the clocks of node and API server may lie apart; a start within it counts as before the change."""
_STOP_SECONDS = 60.0
_SERVER = "deploy=velero"
_log = get_logger("velero")


async def ensure_kinds_known(drive: Drive) -> None:
    """Return when Velero knows every kind that the cluster had at the call; the caller holds the lock that run-starting commands share.

    Waits for other runs no longer than until Velero has refreshed by itself.
    """
    client, namespace = drive.client, drive.namespace
    changed_at = await _newest_birth(client)
    is_told = False
    while changed_at is not None:
        pods = (await client.list(PODS, namespace=namespace, label_selector=_SERVER)).items
        if is_known(changed_at, started_at=started_at(pods), now=datetime.now(UTC)):
            return
        if not await is_busy(client, namespace=namespace):
            _log.info("Restarting Velero so that it learns of new kinds", changed_at=changed_at.isoformat())
            drive.say(phase="Waiting", activity="Restarting Velero, which must learn of a new kind of object first.")
            await asyncio.gather(*(_stop(client, pod) for pod in pods))
            await _wait_started(client, namespace=namespace)
            return
        if not is_told:
            drive.say(phase="Waiting", activity="Waiting for other runs to end: Velero must learn of a new kind of object first.")
            is_told = True
        await asyncio.sleep(POLL_SECONDS)


async def _newest_birth(client: KubeClient) -> datetime | None:
    definitions, services = await asyncio.gather(
        client.list(CUSTOM_RESOURCE_DEFINITIONS, is_metadata_enough=True), client.list(API_SERVICES)
    )
    oldest = datetime.now(UTC) - REFRESH - _CLOCK_SKEW
    young = [item for item in services.items if (item["spec"].get("service") and (_served_since(item) or oldest) > oldest)]
    groups = {kind.resource.group for kind in kinds_of(await client.served()).values()} if young else set()
    return newest_birth(definitions.items, services=young, groups=groups)


def newest_birth(definitions: Iterable[JsonObject], *, services: Iterable[JsonObject], groups: Collection[str]) -> datetime | None:
    """Return when the set of kinds last grew, None when it never did; Velero's own do not count.

    Of the aggregated APIs (`services`), which come and go with their pods, only those that serve what Velero takes, which `groups` names:
    the metrics of a cluster are none.
    """
    born = [_created(item) for item in definitions if not item["metadata"]["name"].endswith(f".{VELERO_GROUP}")]
    served = [_served_since(item) for item in services if item["spec"].get("group") in groups]
    return max((time for time in [*born, *served] if time is not None), default=None)


def is_known(changed_at: datetime, *, started_at: datetime | None, now: datetime) -> bool:
    """Tell whether a Velero that started then must know of the change by now. One that has not started will learn of it as it does."""
    return started_at is None or started_at - _CLOCK_SKEW >= changed_at or now - REFRESH - _CLOCK_SKEW >= changed_at


def started_at(pods: Iterable[JsonObject], /) -> datetime | None:
    """Return when the oldest running Velero server started, None when none runs."""
    statuses = [status for pod in pods for status in (pod.get("status") or {}).get("containerStatuses") or []]
    starts = [((status.get("state") or {}).get("running") or {}).get("startedAt") for status in statuses]
    return min((datetime.fromisoformat(start) for start in starts if start), default=None)


def _created(item: JsonObject) -> datetime | None:
    created = item["metadata"].get("creationTimestamp")
    return datetime.fromisoformat(created) if created else None


def _served_since(service: JsonObject) -> datetime | None:
    """Return when an aggregated API began to answer, None for one that does not."""
    conditions = (service.get("status") or {}).get("conditions") or []
    since = [item.get("lastTransitionTime") for item in conditions if item.get("type") == "Available" and item.get("status") == "True"]
    return datetime.fromisoformat(since[0]) if since and since[0] else None


async def _wait_started(client: KubeClient, *, namespace: str) -> None:
    """Wait until the new server runs. One that does not start keeps the run waiting, and the heartbeat says why."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOP_SECONDS):
            async for event in client.follow(DEPLOYMENTS, namespace=namespace, name=SERVER):
                if event.kind is EventKind.CHANGED and is_rolled_out(event.object):
                    return


async def _stop(client: KubeClient, pod: JsonObject) -> None:
    """Delete the pod and wait until it is gone, so that the old process cannot take up what is created next.

    One on a node that does not answer stays for ever: it is not waited for any longer, as it cannot do anything either.
    """
    name, namespace, uid = pod["metadata"]["name"], pod["metadata"]["namespace"], pod["metadata"]["uid"]
    await client.delete(PODS, name=name, namespace=namespace)
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOP_SECONDS):
            async for event in client.follow(PODS, namespace=namespace, name=name):
                if event.kind is EventKind.DELETED:
                    return
                if event.kind is EventKind.SYNCED and await _is_gone(client, name=name, namespace=namespace, uid=uid):
                    return


async def _is_gone(client: KubeClient, *, name: str, namespace: str, uid: str) -> bool:
    pod = await client.find(PODS, name=name, namespace=namespace)
    return pod is None or pod["metadata"]["uid"] != uid
