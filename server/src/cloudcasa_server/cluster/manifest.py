"""The manifest that `kubectl apply` installs an agent with. Pure; checked against a golden file. Source: rest-api.md 2.2.

The agent restores arbitrary objects, so it is cluster-admin, and says so. Its own container needs no rights on the node.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from cloudcasa_contract.commands import AGENT_NAMESPACE
from pydantic import SecretStr

BOOTSTRAP_SECRET = "cloudcasa-agent-bootstrap"  # noqa: S105 -- the name of the Secret, not its content
_NAME = "cloudcasa-io"
_LABELS = {"app": "cloudcasa-kubeagent-manager"}
_BOOTSTRAP_PATH = "/etc/cloudcasa/bootstrap"
_AGENT_USER = 65532


@dataclass(frozen=True, slots=True)
class ManifestInput:
    """All that a manifest depends on."""

    cluster_id: str
    server_url: str
    credential: SecretStr
    ca_pem: str | None
    agent_image: str
    image_pull_secret_name: str | None = None
    pull_policy: str = "IfNotPresent"
    platform: str = "other"


class _Dumper(yaml.SafeDumper):
    """Writes what is used twice twice: anchors are YAML that few people read."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never use an anchor."""
        return True


def build_manifest(given: ManifestInput, /) -> str:
    """Return the manifest as block-style YAML, one `kind: List`."""
    items = [_namespace(), _service_account(given), _binding(), _bootstrap(given), _service(), _deployment(given)]
    return yaml.dump(
        {"apiVersion": "v1", "kind": "List", "items": items}, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=200
    )


def _namespace() -> dict[str, Any]:
    labels = {
        "component": "kubeagent-backup-helper",
        "velero.io/exclude-from-backup": "true",
        "pod-security.kubernetes.io/enforce": "privileged",
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": AGENT_NAMESPACE, "labels": labels}}


def _metadata(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": AGENT_NAMESPACE}


def _pull_secrets(given: ManifestInput) -> dict[str, Any]:
    return {"imagePullSecrets": [{"name": given.image_pull_secret_name}]} if given.image_pull_secret_name else {}


def _service_account(given: ManifestInput) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(_NAME)} | _pull_secrets(given)


def _binding() -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": _NAME},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": _NAME, "namespace": AGENT_NAMESPACE}],
    }


def _bootstrap(given: ManifestInput) -> dict[str, Any]:
    data = {"credential": given.credential.get_secret_value()} | ({"ca.crt": given.ca_pem} if given.ca_pem else {})
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": _metadata(BOOTSTRAP_SECRET), "type": "Opaque", "data": encoded}


def _service() -> dict[str, Any]:
    """Return the Service by which the Rancher extension recognises an agent (rest-api.md 2.2); nothing listens behind it."""
    spec = {"clusterIP": "None", "selector": _LABELS, "ports": [{"name": "health", "port": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata("cloudcasa-kubeagent"), "spec": spec}


def _deployment(given: ManifestInput) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata("kubeagent") | {"labels": _LABELS},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": _pod(given)},
        },
    }


def _pod(given: ManifestInput) -> dict[str, Any]:
    return {
        "serviceAccountName": _NAME,
        **_pull_secrets(given),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _AGENT_USER,
            "runAsGroup": _AGENT_USER,
            "fsGroup": _AGENT_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 30,
        "containers": [_container(given)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "bootstrap", "secret": {"secretName": BOOTSTRAP_SECRET, "defaultMode": 0o440}},
        ],
    }


def _container(given: ManifestInput) -> dict[str, Any]:
    return {
        "name": "kubeagent",
        "image": given.agent_image,
        "imagePullPolicy": given.pull_policy,
        "command": ["cloudcasa-agent", "run"],
        "env": _environment(given),
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "livenessProbe": {
            "exec": {"command": ["cloudcasa-agent", "healthy"]},
            "initialDelaySeconds": 20,
            "periodSeconds": 30,
            "timeoutSeconds": 10,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- an emptyDir of the pod
            {"name": "bootstrap", "mountPath": _BOOTSTRAP_PATH, "readOnly": True},
        ],
    }


def _environment(given: ManifestInput) -> Sequence[dict[str, Any]]:
    plain = {
        "AMDS_CLUSTER_ID": given.cluster_id,
        "CLOUDCASA_AGENT_SERVER_URL": given.server_url,
        "CLOUDCASA_AGENT_CLUSTER_ID": given.cluster_id,
        "DEPLOYMENT_PLATFORM": given.platform,
        "AGENT_INSTALLATION_METHOD": "manifest",
    }
    if given.ca_pem:
        plain["CLOUDCASA_AGENT_CA_FILE"] = f"{_BOOTSTRAP_PATH}/ca.crt"
    secret = {"secretKeyRef": {"name": BOOTSTRAP_SECRET, "key": "credential"}}
    pod_name = {"fieldRef": {"fieldPath": "metadata.name"}}
    return [
        *({"name": name, "value": value} for name, value in plain.items()),
        {"name": "CLOUDCASA_AGENT_CREDENTIAL", "valueFrom": secret},
        {"name": "MY_POD_NAME", "valueFrom": pod_name},
    ]
