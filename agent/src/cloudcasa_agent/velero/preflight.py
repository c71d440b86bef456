"""The pre-flight: look the cluster over and tell what is in the way, the worst first. Changes nothing.

The rules are pure (findings.py, findings_volumes.py, foreign.py, reach.py); this reads the cluster for them. What cannot be read is said, and
does not keep the rest from being told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime

from cloudcasa_contract.commands import Finding, PreflightOutput, PreflightRun, Severity

from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.kube import JsonObject, KubeClient
from cloudcasa_agent.kube.resources import (
    CSI_DRIVERS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DAEMON_SETS,
    NAMESPACES,
    NODES,
    STORAGE_CLASSES,
    SUBJECT_ACCESS_REVIEWS,
    VOLUME_SNAPSHOT_CLASSES,
)

from . import manifests
from .findings import (
    agent_findings,
    clock_findings,
    degrades,
    kubernetes_findings,
    namespace_findings,
    node_agent_findings,
    node_findings,
    rights_findings,
)
from .findings_volumes import volume_findings
from .foreign import find_others, judge_others
from .reach import find_unreachable
from .troubles import pods_trouble

Findings = Iterable[Finding]
_ORDER = {Severity.BLOCKS.value: 0, Severity.DEGRADES.value: 1, Severity.NOTE.value: 2}


async def look_over(
    client: KubeClient, command: PreflightRun, *, namespace: str, agent_version: str, agent_account: str
) -> PreflightOutput:
    """Return everything that was found."""
    now = datetime.now(UTC)
    checks: dict[str, Awaitable[Findings]] = {
        "its version": _version(client),
        "another Velero": _others(client, command, namespace=namespace),
        "its volumes": look_at_volumes(client),
        "its nodes": _nodes(client, namespace=namespace),
        "the agent's namespace": _namespace(client, namespace=namespace),
        "the agent's rights": _rights(client, namespace=namespace, agent_account=agent_account),
        "its object stores": find_unreachable(command.stores),
    }
    found = [*clock_findings(other=command.asked_at, now=now, whose="the server")]
    found += agent_findings(agent=agent_version, server=command.server_version)
    for findings in await asyncio.gather(*(_told(what, check) for what, check in checks.items())):
        found += findings
    return PreflightOutput(checked_at=now, findings=tuple(sorted(found, key=lambda one: _ORDER.get(one.severity, 1))))


async def _told(what: str, check: Awaitable[Findings]) -> list[Finding]:
    try:
        return list(await check)
    except AgentError as error:
        return [degrades("not-checked", f"The cluster was not checked for {what}: {error.text}", error.remedy)]


async def _version(client: KubeClient) -> Findings:
    return kubernetes_findings(await client.version())


async def _others(client: KubeClient, command: PreflightRun, *, namespace: str) -> Findings:
    foreign = await find_others(client, namespace=namespace)
    finding = judge_others(foreign, is_allowed=command.allow_foreign_velero, image=command.velero_image)
    return [finding] if finding else []


async def look_at_volumes(client: KubeClient) -> Findings:
    """Return what keeps volumes out of backups."""
    classes, snapshot_classes, drivers, definition = await asyncio.gather(
        client.list_or_empty(STORAGE_CLASSES),
        client.list_or_empty(VOLUME_SNAPSHOT_CLASSES),
        client.list_or_empty(CSI_DRIVERS),
        client.find(CUSTOM_RESOURCE_DEFINITIONS, name="volumesnapshots.snapshot.storage.k8s.io"),
    )
    names = {item["metadata"]["name"] for item in drivers}
    return volume_findings(classes, snapshot_classes=snapshot_classes, drivers=names, has_snapshots=definition is not None)


async def _nodes(client: KubeClient, *, namespace: str) -> Findings:
    nodes, agents, trouble = await asyncio.gather(
        client.list(NODES),
        client.find(DAEMON_SETS, name=manifests.NODE_AGENT, namespace=namespace),
        pods_trouble(client, namespace=namespace, selector=f"name={manifests.NODE_AGENT}"),
    )
    return [*node_findings(nodes.items), *node_agent_findings(agents, trouble=trouble)]


async def _namespace(client: KubeClient, *, namespace: str) -> Findings:
    return namespace_findings(await client.find(NAMESPACES, name=namespace))


async def _rights(client: KubeClient, *, namespace: str, agent_account: str) -> Findings:
    accounts = {"The agent": agent_account}
    if await client.find(DAEMON_SETS, name=manifests.NODE_AGENT, namespace=namespace) is not None:
        accounts["Velero"] = manifests.SERVER
    answers = await asyncio.gather(*(_may_everything(client, account, namespace=namespace) for account in accounts.values()))
    return rights_findings(dict(zip(accounts, answers, strict=True)))


async def _may_everything(client: KubeClient, account: str, *, namespace: str) -> bool:
    everything = {"verb": "*", "group": "*", "resource": "*"}
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    spec = {"user": f"system:serviceaccount:{namespace}:{account}", "groups": groups, "resourceAttributes": everything}
    review: JsonObject = {
        "apiVersion": SUBJECT_ACCESS_REVIEWS.api_version,
        "kind": SUBJECT_ACCESS_REVIEWS.kind,
        "metadata": {},
        "spec": spec,
    }
    answer = await client.create(SUBJECT_ACCESS_REVIEWS, review)
    return bool((answer.get("status") or {}).get("allowed"))
