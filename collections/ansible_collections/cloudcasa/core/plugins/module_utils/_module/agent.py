# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The body of the module agent: fetch the manifest as kubectl would, apply it server-side, wait until the server sees the agent.

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib

from .._api import Document
from .._argspec import ArgumentSpec, auth_spec, state_spec, wait_spec
from .._documents import represent
from .._errors import CloudCasaError, WaitTimeoutError
from .._http import Http, TransportError
from .._kube import KUBERNETES_IMPORT_ERROR, Kube, parse_manifest, settled, title
from .._resources import CloudCasa
from .._runner import create_http
from .._wait import wait_until

STOP_SECONDS = 60
"""How long Velero's pods may take to end when nobody waits for the rest."""
MADE_BY_AGENT = [
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "velero-cloudcasa-io"}},
]
"""What the agent makes outside its namespace, beside Velero's definitions, which stay: others may use them."""


class Change(t.NamedTuple):
    """One object of the manifest before and after."""

    item: Document
    before: Document | None
    after: Document | None
    changed: bool


def argument_spec() -> ArgumentSpec:
    """Return the options of the module."""
    return {
        **auth_spec(),
        **state_spec(),
        **wait_spec(timeout_seconds=300),
        "cluster": {"type": "str", "required": True},
        "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG", "KUBECONFIG"])},
        "context": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_CONTEXT"])},
    }


def run(module: AnsibleModule, cloud: CloudCasa) -> Document:
    """Install, update or remove the agent of a cluster."""
    if KUBERNETES_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=KUBERNETES_IMPORT_ERROR, failure=_missing_library())
    params = module.params
    cluster = cloud.clusters.find(params["cluster"]) if module.check_mode else cloud.clusters.get(params["cluster"])
    if cluster is None:
        return {"changed": params["state"] == "present", "diff": _diff([]), "cluster": {}, "objects": []}
    items = parse_manifest(_fetch(create_http(module), cluster))
    kube = Kube(kubeconfig=params["kubeconfig"], context=params["context"])
    if params["state"] == "absent":
        changes = _remove(kube, items, check_mode=module.check_mode, timeout_seconds=params["wait_timeout"] if params["wait"] else 0)
    else:
        changes = _apply(kube, items, check_mode=module.check_mode)
        if params["wait"] and not module.check_mode:
            cluster = _wait_active(cloud, kube, cluster, items, timeout_seconds=params["wait_timeout"])
    return {
        "changed": any(change.changed for change in changes),
        "diff": _diff(changes),
        "cluster": represent(cluster),
        "objects": [{"name": title(change.item), "changed": change.changed} for change in changes],
    }


def _missing_library() -> Document:
    return {"code": "missing_library", "message": missing_required_lib("kubernetes"), "details": "kubernetes", "url": ""}


def _fetch(http: Http, cluster: Document) -> bytes:
    """Return the manifest. Its address is the secret, so no key is sent with the request."""
    url = str((cluster.get("status") or {}).get("agentURL") or "")
    if not url:
        raise CloudCasaError(f'Cluster "{cluster["name"]}" has no address of an agent manifest.', code="no_manifest")
    try:
        response = http.request("GET", url, headers={"Accept": "application/x-yaml, */*"})
    except TransportError as e:
        place = url.partition("/kubeclusteragents/")[0]
        text = f'Cannot fetch the agent\'s manifest of cluster "{cluster["name"]}": {e.reason} at {place}, as the server calls itself (PUBLIC_URL).'
        raise CloudCasaError(text, code="unreachable") from e
    if response.status != 200:
        text = f'Cannot fetch the agent\'s manifest of cluster "{cluster["name"]}": the server answered {response.status}.'
        raise CloudCasaError(text, code="no_manifest")
    return response.body


def _apply(kube: Kube, items: t.List[Document], *, check_mode: bool) -> t.List[Change]:
    missing_namespaces: set[str] = set()
    changes = []
    for item in items:
        before = kube.find(item)
        if check_mode and before is None and item["kind"] == "Namespace":
            missing_namespaces.add(item["metadata"]["name"])
        homeless = check_mode and (item.get("metadata") or {}).get("namespace") in missing_namespaces
        after = item if homeless else kube.apply(item, dry_run=check_mode)
        changes.append(Change(item, before, after, changed=_differs(before, after, check_mode=check_mode)))
    return changes


def _differs(before: Document | None, after: Document, *, check_mode: bool) -> bool:
    """Compare by version, which a dry run does not have, and by content: a status that changes in between is no change of ours."""
    if before is None:
        return True
    has_new_version = before["metadata"].get("resourceVersion") != after["metadata"].get("resourceVersion")
    return (check_mode or has_new_version) and settled(before) != settled(after)


def _remove(kube: Kube, items: t.List[Document], *, check_mode: bool, timeout_seconds: int) -> t.List[Change]:
    changes = []
    items = [*items, *(MADE_BY_AGENT if items else [])]
    for item in reversed(items):
        before = kube.find(item)
        if before is not None and not check_mode:
            if item["kind"] == "Namespace":
                # Velero goes first: while it runs, it puts back the finalizers of its Restores, and the deletion of the namespace would hang.
                _stop_velero(kube, namespace=item["metadata"]["name"], timeout_seconds=timeout_seconds)
                kube.release(api_version="velero.io/v1", kind="Restore", namespace=item["metadata"]["name"])
            kube.delete(item)
        changes.append(Change(item, before, None, changed=before is not None))
    if timeout_seconds and not check_mode:
        left, gone = wait_until(
            lambda: [title(item) for item in items if kube.find(item)], lambda left: not left, timeout_seconds=timeout_seconds
        )
        if not gone:
            text = f"The agent is still being removed after {timeout_seconds} seconds: {', '.join(left)}."
            raise WaitTimeoutError(text, code="timeout", details=left)
    return changes


def _stop_velero(kube: Kube, *, namespace: str, timeout_seconds: int) -> None:
    """Delete our Velero and wait until its pods are gone, which a deletion in the foreground tells."""
    velero = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "velero", "namespace": namespace}}
    kube.delete(velero)
    wait_until(lambda: kube.find(velero), lambda left: left is None, timeout_seconds=timeout_seconds or STOP_SECONDS)


def _wait_active(cloud: CloudCasa, kube: Kube, cluster: Document, items: t.List[Document], *, timeout_seconds: int) -> Document:
    """Return the cluster when its agent runs as applied and the server has heard from it."""
    deployments = [item for item in items if item["kind"] == "Deployment"]

    def look() -> tuple[Document, t.List[str]]:
        return cloud.clusters.get_by_id(str(cluster["_id"])), [title(item) for item in deployments if not _rolled_out(kube.find(item))]

    (seen, waiting), done = wait_until(
        look, lambda seen: not seen[1] and _status(seen[0]).get("state") == "ACTIVE", timeout_seconds=timeout_seconds
    )
    if done:
        return seen
    status = _status(seen)
    reasons = [str(status["message"]).rstrip(".")] if status.get("message") else []
    reasons += [f"{name} is not available" for name in waiting]
    reasons += [reason for item in deployments for reason in _pod_troubles(kube, item)]
    why = "; ".join(reasons) or "the agent has not called the server"
    text = f'Cluster "{seen["name"]}" is {status.get("state")}, not ACTIVE, after {timeout_seconds} seconds: {why}.'
    raise WaitTimeoutError(text, code="timeout", details=reasons, result={"cluster": represent(seen)})


def _rolled_out(deployment: Document | None) -> bool:
    if deployment is None:
        return False
    status = deployment.get("status") or {}
    wanted = (deployment.get("spec") or {}).get("replicas", 1)
    is_seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return bool(is_seen and status.get("updatedReplicas", 0) >= wanted and status.get("availableReplicas", 0) >= wanted)


def _pod_troubles(kube: Kube, deployment: Document) -> t.List[str]:
    """Return why the pods of a deployment do not run, in the words of Kubernetes."""
    labels = deployment["spec"]["selector"]["matchLabels"]
    troubles = []
    for pod in kube.pods(namespace=deployment["metadata"]["namespace"], labels=labels):
        for container in (pod.get("status") or {}).get("containerStatuses") or []:
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
                troubles.append(f"container {container['name']}: {waiting['reason']} {waiting.get('message', '')}".strip())
    return troubles


def _status(cluster: Document) -> Document:
    return t.cast(Document, cluster.get("status") or {})


def _diff(changes: t.List[Change]) -> Document:
    changed = [change for change in changes if change.changed]
    return {
        "before": {title(change.item): settled(change.before) for change in changed if change.before},
        "after": {title(change.item): settled(change.after) for change in changed if change.after},
    }
