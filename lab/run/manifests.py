"""Kubernetes objects a lab is born with: DNS, the storage class and snapshot class, and what a Velero outside pods needs.

Pure functions from a record to objects; kubectl applies them.
"""

from __future__ import annotations

import base64
from typing import Any

from .control import BUCKET, REGION
from .node import CSI_DRIVER, DNS_SERVICE
from .state import Record

Object = dict[str, Any]

VELERO_NAMESPACE = "velero"

_COREFILE = """.:1053 {
    errors
    health :8080
    ready :8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
    }
    cache 5
    reload 5s
}
"""
# No `forward`: nothing beyond the machine is in reach, so there is nobody to ask.


def a_list(*items: Object) -> Object:
    """Return several objects as one."""
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def _named(kind: str, name: str, *, api: str = "v1", namespace: str = "", **rest: object) -> Object:
    metadata: Object = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def dns(image: str) -> Object:
    """Return CoreDNS: one pod without privileges, on the address kubelet tells every pod."""
    rbac = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    subject = {"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}
    ports = [{"name": f"dns-{one.lower()}", "port": 53, "targetPort": 1053, "protocol": one} for one in ("UDP", "TCP")]
    return a_list(
        _named("ServiceAccount", "coredns", namespace="kube-system"),
        _named("ClusterRole", "lab:coredns", api=f"{rbac}/v1", rules=rules),
        _named(
            "ClusterRoleBinding",
            "lab:coredns",
            api=f"{rbac}/v1",
            roleRef={"apiGroup": rbac, "kind": "ClusterRole", "name": "lab:coredns"},
            subjects=[subject],
        ),
        _named("ConfigMap", "coredns", namespace="kube-system", data={"Corefile": _COREFILE}),
        _named(
            "Service",
            "kube-dns",
            namespace="kube-system",
            spec={"clusterIP": DNS_SERVICE, "selector": {"k8s-app": "kube-dns"}, "ports": ports},
        ),
        _named("Deployment", "coredns", api="apps/v1", namespace="kube-system", spec=_dns_deployment(image)),
    )


def _dns_deployment(image: str) -> Object:
    labels = {"k8s-app": "kube-dns"}
    container = {
        "name": "coredns",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [{"containerPort": 1053, "protocol": one, "name": f"dns-{one.lower()}"} for one in ("UDP", "TCP")],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
        "resources": {"requests": {"cpu": "10m", "memory": "40Mi"}, "limits": {"memory": "170Mi"}},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    return {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}


def storage_class() -> Object:
    """Return the default storage class and the driver's description."""
    claim_class = _named("StorageClass", "lab", api="storage.k8s.io/v1", provisioner=CSI_DRIVER, reclaimPolicy="Delete")
    claim_class["volumeBindingMode"] = "WaitForFirstConsumer"
    claim_class["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    driver = _named("CSIDriver", CSI_DRIVER, api="storage.k8s.io/v1")
    driver["spec"] = {"attachRequired": False, "podInfoOnMount": False, "fsGroupPolicy": "File"}
    return a_list(claim_class, driver)


def snapshot_class() -> Object:
    """Return the snapshot class, labelled so that Velero picks it."""
    made = _named("VolumeSnapshotClass", "lab", api="snapshot.storage.k8s.io/v1", driver=CSI_DRIVER, deletionPolicy="Delete")
    made["metadata"]["labels"] = {"velero.io/csi-volumesnapshot-class": "true"}
    made["metadata"]["annotations"] = {"snapshot.storage.kubernetes.io/is-default-class": "true"}
    return made


def aws_credentials(record: Record) -> str:
    """Return the lab's S3 keys as an AWS credentials file."""
    return f"[default]\naws_access_key_id={record.s3_access_key}\naws_secret_access_key={record.s3_secret_key}\n"


def velero_home(record: Record) -> Object:
    """Return the namespace, credentials and stub Deployment that a Velero running outside pods expects to find.

    The Deployment has no replicas: a restore looks it up by name and fails without it.
    """
    labels = {"component": "velero"}
    container = {"name": "velero", "image": "lab.local/none:1", "imagePullPolicy": "IfNotPresent"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    secret = base64.b64encode(aws_credentials(record).encode()).decode()
    return a_list(
        _named("Namespace", VELERO_NAMESPACE),
        _named("ServiceAccount", "velero", namespace=VELERO_NAMESPACE),
        _named("Secret", "cloud-credentials", namespace=VELERO_NAMESPACE, type="Opaque", data={"cloud": secret}),
        _named(
            "Deployment",
            "velero",
            api="apps/v1",
            namespace=VELERO_NAMESPACE,
            spec={"replicas": 0, "selector": {"matchLabels": labels}, "template": pod},
        ),
    )


def velero_location(record: Record) -> Object:
    """Return the place backups go: the lab's own bucket."""
    spec = {
        "provider": "aws",
        "default": True,
        "objectStorage": {"bucket": BUCKET},
        "credential": {"name": "cloud-credentials", "key": "cloud"},
        "config": {"region": REGION, "s3ForcePathStyle": "true", "s3Url": record.s3_url},
    }
    return _named("BackupStorageLocation", "default", api="velero.io/v1", namespace=VELERO_NAMESPACE, spec=spec)
