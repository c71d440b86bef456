"""The pre-flight's rules about the cluster itself: versions, rights, nodes, clocks. Pure, over raw objects; `preflight.py` reads them.

Each rule returns what it found, in plain words with a remedy; the slugs are explained in docs/reference/troubleshooting.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from cloudcasa_contract.commands import Finding, Severity

from cloudcasa_agent.kube import JsonObject

OLDEST_KUBERNETES = (1, 26)
"""Older ones do not tell all their kinds at once, so no backup could be checked for completeness."""
NEWEST_KUBERNETES = (1, 36)
"""The newest that this agent and Velero 1.18 were tried on."""
ARCHITECTURES = frozenset({"amd64", "arm64"})
"""Those that upstream's Velero images are made for; others need images of one's own."""
CLOCK_NOTE_SECONDS = 60.0
CLOCK_REFUSED_SECONDS = 15 * 60.0
"""S3 refuses requests whose time differs by more."""
_SHOWN = 5
_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_BLOCKING_EFFECTS = frozenset({"NoSchedule", "NoExecute"})
_TOLERATED = frozenset({"kubernetes.azure.com/scalesetpriority", "CriticalAddonsOnly"})
"""What Velero's data movers tolerate, if node-agent does. Source: velero v1.18.3, pkg/util/third_party.go."""


def blocks(slug: str, text: str, remedy: str) -> Finding:
    """Return a finding that keeps everything from working."""
    return Finding(slug=slug, text=text, remedy=remedy, severity=Severity.BLOCKS.value)


def degrades(slug: str, text: str, remedy: str) -> Finding:
    """Return a finding that keeps some things from working."""
    return Finding(slug=slug, text=text, remedy=remedy, severity=Severity.DEGRADES.value)


def note(slug: str, text: str, remedy: str) -> Finding:
    """Return a finding that is good to know."""
    return Finding(slug=slug, text=text, remedy=remedy, severity=Severity.NOTE.value)


def some(names: Collection[str], /) -> str:
    """Return names for a sentence, the first few of many."""
    shown = ", ".join(f'"{name}"' for name in sorted(names)[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def kubernetes_findings(version: str, /) -> Iterator[Finding]:
    """Judge the version of Kubernetes; of one that cannot be read nothing is said."""
    match = _VERSION.match(version)
    if match is None:
        return
    have = (int(match[1]), int(match[2]))
    oldest, newest = (".".join(map(str, bound)) for bound in (OLDEST_KUBERNETES, NEWEST_KUBERNETES))
    if have < OLDEST_KUBERNETES:
        text = f"Kubernetes {version} is older than {oldest}, the oldest that this agent can check backups on."
        yield degrades("kubernetes-too-old", text, f"Update Kubernetes to {oldest} or newer.")
    elif have > NEWEST_KUBERNETES:
        text = f"Kubernetes {version} is newer than {newest}, the newest that this agent was tried on."
        yield note("kubernetes-untested", text, "Restore a backup as a test, and look for a newer CloudCasa.")


def agent_findings(*, agent: str, server: str) -> Iterator[Finding]:
    """Compare the versions of agent and server, of which neither need be known."""
    have, wanted = _VERSION.match(agent), _VERSION.match(server)
    if have is None or wanted is None or have.groups() == wanted.groups():
        return
    is_older = tuple(map(int, have.groups())) < tuple(map(int, wanted.groups()))
    slug, word = ("agent-older", "older") if is_older else ("agent-newer", "newer")
    remedy = "Update the agent: the cluster's action upgrade does it." if is_older else "Update the server, or go back with the agent."
    yield note(slug, f"The agent ({agent}) is {word} than the server ({server}). The server works with agents one version apart.", remedy)


def rights_findings(allowed: Mapping[str, bool], /) -> Iterator[Finding]:
    """Judge who may not do everything; `allowed` is by account, as people know it."""
    for account, is_allowed in allowed.items():
        if not is_allowed:
            text = f"{account} may not do everything on the cluster, as it must to restore any kind of object."
            remedy = "Apply the cluster's manifest again: it binds cluster-admin. If it does already, find the policy that refuses."
            yield blocks("rights-missing", text, remedy)


def node_findings(nodes: Iterable[JsonObject], /) -> Iterator[Finding]:
    """Judge whether there are nodes that pods which move data can run on."""
    linux = [node for node in nodes if _label(node, "kubernetes.io/os") in {"linux", ""}]
    if not linux:
        yield degrades("no-nodes", "The cluster has no Linux nodes: volumes cannot be copied to object storage.", "Add a Linux node.")
        return
    foreign = {_label(node, "kubernetes.io/arch") for node in linux} - ARCHITECTURES - {""}
    if foreign:
        names = [node["metadata"]["name"] for node in linux if _label(node, "kubernetes.io/arch") in foreign]
        text = f"The nodes {some(names)} are of an architecture that Velero's images may not be made for ({', '.join(sorted(foreign))})."
        remedy = "Name images that are made for it in the server's settings, or keep volumes off these nodes."
        yield (degrades if len(names) < len(linux) else blocks)("node-architecture", text, remedy)
    if all(_repels(node) for node in linux):
        taints = {taint["key"] for node in linux for taint in node["spec"].get("taints") or []}
        text = f"All nodes carry taints ({some(taints)}) that pods which move volume data do not tolerate."
        yield degrades("nodes-tainted", text, "Keep one node, from which the volumes can be reached, without such a taint.")


def node_agent_findings(daemon_set: JsonObject | None, *, trouble: str) -> Iterator[Finding]:
    """Judge whether node-agent runs wherever it should; one that is not installed yet is no finding."""
    status = (daemon_set or {}).get("status") or {}
    wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    if daemon_set is not None and ready < wanted:
        why = f": {trouble.rstrip('.')}." if trouble else "."
        text = f"node-agent runs on {ready} of {wanted} nodes{why} Volumes on the others cannot be copied."
        yield degrades("node-agent-not-running", text, "Look at its pods in the agent's namespace, and at the nodes that lack one.")


def namespace_findings(namespace: JsonObject | None, /) -> Iterator[Finding]:
    """Judge whether our namespace lets node-agent in and stays out of backups."""
    labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
    level = labels.get("pod-security.kubernetes.io/enforce", "privileged")
    if level != "privileged":
        text = f'The agent\'s namespace enforces pod security "{level}", which refuses node-agent: it reads the volumes of its node.'
        yield blocks(
            "pod-security-refuses", text, "Label it pod-security.kubernetes.io/enforce=privileged; applying the manifest again does."
        )
    if namespace is not None and labels.get("velero.io/exclude-from-backup") != "true":
        text = "The agent's namespace is not kept out of backups, and it holds the password of the backup repositories."
        yield degrades("namespace-in-backups", text, "Label it velero.io/exclude-from-backup=true; applying the manifest again does.")


def clock_findings(*, other: datetime | None, now: datetime, whose: str) -> Iterator[Finding]:
    """Compare the agent's clock with another's."""
    if other is None:
        return
    seconds = abs((now - other).total_seconds())
    if seconds <= CLOCK_NOTE_SECONDS:
        return
    text = f"The cluster's clock differs from that of {whose} by {seconds / 60:.0f} minutes ({seconds:.0f} seconds)."
    remedy = "Let the nodes and the server take their time from one source (NTP)."
    if seconds > CLOCK_REFUSED_SECONDS:
        yield blocks("clock-skew", f"{text} Object stores refuse requests beyond 15 minutes.", remedy)
    else:
        yield note("clock-skew", text, remedy)


def _label(node: JsonObject, name: str) -> str:
    return str((node["metadata"].get("labels") or {}).get(name, ""))


def _repels(node: JsonObject) -> bool:
    spec = node.get("spec") or {}
    taints = spec.get("taints") or []
    return bool(spec.get("unschedulable")) or any(
        taint.get("effect") in _BLOCKING_EFFECTS and taint.get("key") not in _TOLERATED for taint in taints
    )
