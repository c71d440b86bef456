"""Why pods do not run, in the words of Kubernetes."""

from __future__ import annotations

from cloudcasa_agent.kube import JsonObject, KubeClient
from cloudcasa_agent.kube.resources import PODS

_FATAL_WAITS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"})


async def pods_trouble(client: KubeClient, *, namespace: str, selector: str) -> str:
    """Return why some pod of the selector does not run, with the last line that it logged; "" when nothing is wrong yet."""
    for pod in (await client.list(PODS, namespace=namespace, label_selector=selector)).items:
        trouble = pod_trouble(pod)
        if trouble:
            log = (await client.pod_log(namespace=namespace, name=pod["metadata"]["name"], lines=1)).strip()
            return f"{trouble} ({log[-300:]})" if log and "ended with code" in trouble else trouble
    return ""


def pod_trouble(pod: JsonObject, /) -> str:
    """Return why a pod does not run, "" when it runs or may still start."""
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f'pod "{name}" cannot be scheduled: {condition.get("message", "")}'
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        last = (container.get("lastState") or {}).get("terminated") or {}
        if waiting.get("reason") == "CrashLoopBackOff":
            return f'container "{container["name"]}" of pod "{name}" ended with code {last.get("exitCode")} again and again'
        if waiting.get("reason") in _FATAL_WAITS:
            return f'pod "{name}" waits with {waiting["reason"]}: {waiting.get("message", "")}'
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return f'container "{container["name"]}" of pod "{name}" ended with code {ended["exitCode"]}'
    return ""
