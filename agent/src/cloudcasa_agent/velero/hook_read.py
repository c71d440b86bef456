"""Reads what became of the hooks of a run: its pods from the API, the rest from Velero's logs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cloudcasa_contract.commands import HookReport, HookResult, HookRun, HookState, RestoreRun

from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.kube import JsonObject
from cloudcasa_agent.kube.resources import PODS

from .artifacts import Read
from .build import is_pattern
from .drive import Drive, Watched
from .hook_pods import list_pods, pod_name
from .hook_report import backup_report, report
from .hook_restore import PodLines, restore_report
from .resources import RESTORE_NAME_LABEL, label_value

_SERVER = "deploy=velero"
_LOOKS = 2
"""How often Velero's log is read until it says as much as Velero counted; a log that was rotated away never does."""


async def read_backup_hooks(drive: Drive, hooks: Sequence[HookRun], *, watched: Watched, read: Read) -> HookReport | None:
    """Return what became of a backup's hooks; None when it has none."""
    if not hooks:
        return None
    named: list[str] = watched.run["spec"].get("includedNamespaces") or []
    try:
        pods = await list_pods(drive.client, hooks, namespaces=() if any(map(is_pattern, named)) else named)
    except AgentError as error:
        return _unreadable(hooks, watched, reason=error.text)
    began = str(watched.status.get("startTimestamp") or "")
    taken = [pod for pod in pods if (pod_name(pod) in read.pods if read.pods is not None else pod["metadata"]["creationTimestamp"] < began)]
    return backup_report(hooks, pods=taken, lines=read.hooks, status=watched.status)


async def read_restore_hooks(drive: Drive, command: RestoreRun, *, watched: Watched, errors: Sequence[str]) -> HookReport | None:
    """Return what became of a restore's hooks; None when it has none."""
    if not command.hooks:
        return None
    restored = f"{RESTORE_NAME_LABEL}={label_value(command.restore_name)}"
    names = [command.namespace_map.get(name, name) for name in command.namespaces]
    try:
        pods = await list_pods(drive.client, command.hooks, namespaces=names, selector=restored)
        lines = await _velero_says(drive, command.restore_name, status=watched.status)
    except AgentError as error:
        return _unreadable(command.hooks, watched, reason=error.text)
    return restore_report(command.hooks, pods=pods, lines=lines, status=watched.status, errors=errors)


async def _velero_says(drive: Drive, restore: str, *, status: JsonObject) -> PodLines:
    attempted = (status.get("hookStatus") or {}).get("hooksAttempted", 0)
    since = str(status.get("startTimestamp") or "")
    lines = PodLines(restore)
    for look in range(_LOOKS if since else 0):
        await asyncio.sleep(look)
        lines = await _read_log(drive, restore, since=since)
        if len(lines.errors) >= attempted:
            break
    return lines


async def _read_log(drive: Drive, restore: str, *, since: str) -> PodLines:
    lines = PodLines(restore)
    for server in (await drive.client.list(PODS, namespace=drive.namespace, label_selector=_SERVER)).items:
        log = await drive.client.pod_log(namespace=drive.namespace, name=server["metadata"]["name"], since=since)
        for line in log.splitlines():
            lines.take(line)
    return lines


def _unreadable(hooks: Sequence[HookRun], watched: Watched, *, reason: str) -> HookReport:
    text = f"it was not checked: {reason}"
    results = [HookResult(hook=hook.hook, phase=hook.phase, namespace="", pod="", state=HookState.UNKNOWN, error=text) for hook in hooks]
    return report(results, status=watched.status, unmatched=())
