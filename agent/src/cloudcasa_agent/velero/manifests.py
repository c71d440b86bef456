"""The objects of the agent's own Velero, in pure functions: namespace labels, rights, server, node agents, CRD job.

Shaped after `velero install` of v1.18.3 (pkg/install: deployment.go, daemonset.go, resources.go) with the settings that the lab
measured to cut a backup with data movement to 0.6 (mover.md B, lab.md 12). Applied server-side, so unchanged content restarts nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re

from cloudcasa_contract.commands import EngineEnsure, EngineImages

from cloudcasa_agent.kube import JsonObject

SERVER = "velero"
NODE_AGENT = "node-agent"
NODE_AGENT_CONFIG = "cloudcasa-node-agent"
REPOSITORY_SECRET = "velero-repo-credentials"  # noqa: S105 - the name of a Secret
REPOSITORY_KEY = "repository-password"
_LABELS = {"component": "velero", "app.kubernetes.io/managed-by": "cloudcasa"}
_SERVER_ARGUMENTS = (  # without Velero's own expiry: what is kept and for how long is the server's to say (docs/adr/0035)
    "server",
    "--features=EnableCSI",
    "--uploader-type=kopia",
    "--item-operation-sync-frequency=1s",
    "--item-block-worker-count=4",
    "--concurrent-backups=4",
    "--client-qps=200",
    "--client-burst=300",
    "--disable-controllers=gc",
)
_NOT_WINDOWS = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/os", "operator": "NotIn", "values": ["windows"]}]}]
        }
    }
}
_OWN_NAMESPACE = {"name": "VELERO_NAMESPACE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}}
_OWN_NODE = {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}
_SCRATCH = {"name": "VELERO_SCRATCH_DIR", "value": "/scratch"}
_METRICS = [{"name": "metrics", "containerPort": 8085, "protocol": "TCP"}]
_NODE_AGENT_DATA = {"loadConcurrency": {"globalConfig": 4}}


def namespace_labels(*, namespace: str) -> JsonObject:
    """Return our namespace with the labels that keep it out of backups and let data movers run."""
    levels = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("audit", "enforce", "warn")}
    labels = {"velero.io/exclude-from-backup": "true"} | levels
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}


def repository_secret(command: EngineEnsure, *, namespace: str) -> JsonObject:
    """Return the Secret with the repository password, which must exist before Velero's first start: it would make its own."""
    password = base64.b64encode(command.repository_password.get_secret_value().encode()).decode()
    metadata = {"name": REPOSITORY_SECRET, "namespace": namespace, "labels": _LABELS}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": {REPOSITORY_KEY: password}}


def rights(*, namespace: str) -> tuple[JsonObject, ...]:
    """Return Velero's service account and its binding: it restores any object, so it may do anything."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"velero-{namespace}", "labels": _LABELS},
        "subjects": [{"kind": "ServiceAccount", "name": SERVER, "namespace": namespace}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": SERVER, "namespace": namespace, "labels": _LABELS}}
    return account, binding


def crd_job(images: EngineImages, *, namespace: str) -> JsonObject:
    """Return the Job in which the Velero image applies its own definitions, so that they always fit the server."""
    container = {
        "name": "crds",
        "image": images.velero,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/velero"],
        "args": ["install", "--crds-only", "--apply"],
        "env": [_OWN_NAMESPACE],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
    }
    spec = {
        "restartPolicy": "Never",
        "serviceAccountName": SERVER,
        "affinity": _NOT_WINDOWS,
        "containers": [container],
        **_pull_secrets(images),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": crd_job_name(images), "namespace": namespace, "labels": _LABELS},
        "spec": {"backoffLimit": 1, "activeDeadlineSeconds": 300, "ttlSecondsAfterFinished": 600, "template": {"spec": spec}},
    }


def crd_job_name(images: EngineImages, /) -> str:
    """Return the Job's name, one for each image."""
    return f"cloudcasa-crds-{_digest(images.velero)}"


def node_agent_config(*, namespace: str) -> JsonObject:
    """Return how many volumes a node moves at once."""
    metadata = {"name": NODE_AGENT_CONFIG, "namespace": namespace, "labels": _LABELS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config.json": _node_agent_json()}}


def server(images: EngineImages, *, namespace: str) -> JsonObject:
    """Return the Deployment of the Velero server; Recreate, since two servers would both take a backup."""
    container = {
        "name": "velero",
        "image": images.velero,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/velero"],
        "args": list(_SERVER_ARGUMENTS),
        "ports": _METRICS,
        "env": [
            _SCRATCH,
            _OWN_NAMESPACE,
            {"name": "LD_LIBRARY_PATH", "value": "/plugins"},
            {"name": "CSI_SNAPSHOT_EARLY_FREQUENT_POLLING", "value": "true"},
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "2Gi"}},
        "volumeMounts": [{"name": "plugins", "mountPath": "/plugins"}, {"name": "scratch", "mountPath": "/scratch"}],
    }
    plugin = {
        "name": plugin_name(images.plugin_aws),
        "image": images.plugin_aws,
        "imagePullPolicy": "IfNotPresent",
        "volumeMounts": [{"name": "plugins", "mountPath": "/target"}],
    }
    pod = {
        "serviceAccountName": SERVER,
        "os": {"name": "linux"},
        "affinity": _NOT_WINDOWS,
        "initContainers": [plugin],
        "containers": [container],
        "volumes": [{"name": "plugins", "emptyDir": {}}, {"name": "scratch", "emptyDir": {}}],
        **_pull_secrets(images),
    }
    labels = _LABELS | {"deploy": "velero"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": SERVER, "namespace": namespace, "labels": _LABELS},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"deploy": "velero"}},
            "template": {"metadata": {"labels": labels, "annotations": _scraped()}, "spec": pod},
        },
    }


def node_agent(images: EngineImages, *, namespace: str) -> JsonObject:
    """Return the DaemonSet that moves data; it restarts when its settings change, since it reads them at start only."""
    container = {
        "name": NODE_AGENT,
        "image": images.velero,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/velero"],
        "args": ["node-agent", "server", "--features=EnableCSI", f"--node-agent-configmap={NODE_AGENT_CONFIG}"],
        "ports": _METRICS,
        "env": [_OWN_NODE, _OWN_NAMESPACE, _SCRATCH],
        "securityContext": {"privileged": False},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
        "volumeMounts": [
            {"name": "host-pods", "mountPath": "/host_pods", "mountPropagation": "HostToContainer"},
            {"name": "host-plugins", "mountPath": "/var/lib/kubelet/plugins", "mountPropagation": "HostToContainer"},
            {"name": "scratch", "mountPath": "/scratch"},
        ],
    }
    pod = {
        "serviceAccountName": SERVER,
        "securityContext": {"runAsUser": 0},
        "affinity": _NOT_WINDOWS,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [
            {"name": "host-pods", "hostPath": {"path": "/var/lib/kubelet/pods", "type": ""}},
            {"name": "host-plugins", "hostPath": {"path": "/var/lib/kubelet/plugins", "type": ""}},
            {"name": "scratch", "emptyDir": {}},
        ],
        **_pull_secrets(images),
    }
    labels = _LABELS | {"name": NODE_AGENT, "role": "node-agent"}
    annotations = {"cloudcasa.io/config": _digest(_node_agent_json())}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": NODE_AGENT, "namespace": namespace, "labels": _LABELS},
        "spec": {
            "selector": {"matchLabels": {"name": NODE_AGENT}},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        },
    }


def plugin_name(image: str, /) -> str:
    """Return the init container's name for a plugin image, as Velero makes it: the path without registry, tag and digest."""
    path = image.split("@", 1)[0]
    head, _, tail = path.rpartition(":")
    path = head if head and "/" not in tail else path
    parts = path.split("/")
    path = "/".join(parts[1:]) if len(parts) > 2 else path  # noqa: PLR2004
    return re.sub(r"[^a-z0-9-]", "-", path.lower()).strip("-")[:63]


def _pull_secrets(images: EngineImages) -> JsonObject:
    return {"imagePullSecrets": [{"name": images.pull_secret_name}]} if images.pull_secret_name else {}


def _scraped() -> dict[str, str]:
    return {"prometheus.io/scrape": "true", "prometheus.io/port": "8085", "prometheus.io/path": "/metrics"}


def _node_agent_json() -> str:
    return json.dumps(_NODE_AGENT_DATA, sort_keys=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]
