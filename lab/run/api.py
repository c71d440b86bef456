"""A few questions to a lab's API server, asked without the half second that starting kubectl costs.

Only GET, only for readiness; everything else goes through kubectl. Answers are no (not an error) while the server or the object is missing.
"""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any

from .node import CSI_DRIVER

if TYPE_CHECKING:
    from .lab import Lab


def get(lab: Lab, path: str) -> dict[str, Any] | None:
    """Return the object at an API path, or None."""
    record, certificates = lab.record, lab.home / "pki"
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    context.load_cert_chain(certificates / "admin.crt", certificates / "admin.key")
    connection = http.client.HTTPSConnection(record.address, record.ports["apiserver"], context=context, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body: dict[str, Any] = json.loads(response.read())
        return body if response.status == http.HTTPStatus.OK else None
    except (OSError, ValueError):
        return None
    finally:
        connection.close()


def serves(lab: Lab, group_version: str) -> bool:
    """Say whether the API server serves a group and version, with at least one type in it."""
    found = get(lab, f"/apis/{group_version}")
    return bool(found and found["resources"])


def is_node_ready(lab: Lab) -> bool:
    """Say whether the lab's node takes pods."""
    found = get(lab, f"/api/v1/nodes/{lab.name}")
    conditions = found["status"].get("conditions", []) if found else []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def is_dns_ready(lab: Lab) -> bool:
    """Say whether a DNS pod answers."""
    found = get(lab, "/apis/apps/v1/namespaces/kube-system/deployments/coredns")
    return bool(found and found["status"].get("readyReplicas"))


def is_driver_ready(lab: Lab) -> bool:
    """Say whether kubelet knows the storage driver."""
    found = get(lab, f"/apis/storage.k8s.io/v1/csinodes/{lab.name}")
    return bool(found and any(one["name"] == CSI_DRIVER for one in found["spec"].get("drivers") or []))


def is_location_available(lab: Lab) -> bool:
    """Say whether Velero reaches its bucket."""
    found = get(lab, "/apis/velero.io/v1/namespaces/velero/backupstoragelocations/default")
    return bool(found and found.get("status", {}).get("phase") == "Available")
