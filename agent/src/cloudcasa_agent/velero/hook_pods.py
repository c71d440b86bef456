"""Which pods a hook is meant for: those that fit its namespaces and labels, as Velero judges it. Pure but for the listing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from cloudcasa_contract.commands import HookRun

from cloudcasa_agent.kube import JsonObject, KubeClient
from cloudcasa_agent.kube.resources import PODS

from .selectors import label_selector, selector_text

_ENDED = {"Succeeded", "Failed"}
_HOST_NAME = 63


async def list_pods(client: KubeClient, hooks: Iterable[HookRun], *, namespaces: Iterable[str], selector: str = "") -> list[JsonObject]:
    """Return the pods that any of the hooks may be meant for, each once; `namespaces` are those of the run, none meaning all."""
    asked = {(namespace, _selector(hook)) for hook in hooks for namespace in hook.namespaces or tuple(namespaces) or ("",)}
    limit = asyncio.Semaphore(8)

    async def ask(namespace: str, labels: str) -> Sequence[JsonObject]:
        async with limit:
            both = ",".join(filter(None, (labels, selector)))
            return (await client.list(PODS, namespace=namespace, label_selector=both)).items

    found = await asyncio.gather(*(ask(*one) for one in sorted(asked)))
    pods = {pod_name(pod): pod for part in found for pod in part}
    return [pods[name] for name in sorted(pods)]


def _selector(hook: HookRun) -> str:
    return selector_text(label_selector(hook.labels).get("labelSelector") or {})


def pod_name(pod: JsonObject, /) -> str:
    """Return namespace/name."""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def matching(hook: HookRun, pods: Iterable[JsonObject], /) -> list[JsonObject]:
    """Return the pods that fit a hook."""
    return [pod for pod in pods if _fits(hook, pod["metadata"])]


def _fits(hook: HookRun, metadata: JsonObject) -> bool:
    labels = metadata.get("labels") or {}
    wanted = {key: {value.strip() for value in text.split(",")} for key, text in hook.labels.items()}
    is_here = not hook.namespaces or metadata["namespace"] in hook.namespaces
    return is_here and all(labels.get(key) in values for key, values in wanted.items())


def has_ended(pod: JsonObject, /) -> bool:
    """Tell whether nothing runs in a pod any more: then nothing is to be made fit."""
    return (pod.get("status") or {}).get("phase") in _ENDED


def container_of(hook: HookRun, pod: JsonObject, /) -> str:
    """Return the container that a hook means; empty when the pod has none of that name."""
    names = [str(one["name"]) for one in (pod.get("spec") or {}).get("containers") or []]
    return (hook.container if hook.container in names else "") if hook.container else next(iter(names), "")


def own_hook(pod: JsonObject, phase: str, /) -> str:
    """Return the annotation by which a pod brings a hook of its own; Velero then runs no other in it."""
    annotations = pod["metadata"].get("annotations") or {}
    keys = {
        "pre": ("pre.hook.backup.velero.io/command", "hook.backup.velero.io/command"),
        "post": ("post.hook.backup.velero.io/command",),
        "restore": ("post.hook.restore.velero.io/command",),
    }
    return next((key for key in keys[phase] if annotations.get(key)), "")


def host_name(pod: JsonObject, /) -> str:
    """Return what a pod calls itself: its name, which Kubernetes cuts; on its node's network, the node's."""
    spec = pod.get("spec") or {}
    if spec.get("hostNetwork"):
        return str(spec.get("nodeName", ""))
    return str(spec.get("hostname") or pod["metadata"]["name"])[:_HOST_NAME].rstrip("-.")
