"""What the API serves: one line per resource, action and route."""

from __future__ import annotations

from .backup import resource as backup
from .cluster import resource as cluster
from .hook.resource import HOOK_TEMPLATES, HOOKS
from .inventory.resource import INVENTORY_RESOURCES
from .job import resource as job
from .kit.rest import Resource, RestApi, open_access, requires
from .object_store.resource import OBJECT_STORES, list_vendor_storage
from .offload import resource as offload
from .policy.resource import POLICIES
from .recovery_point.resource import RECOVERY_POINTS
from .restore import resource as restore

RESOURCES: tuple[Resource, ...] = (
    cluster.CLUSTERS,
    OBJECT_STORES,
    POLICIES,
    HOOKS,
    HOOK_TEMPLATES,
    backup.BACKUPS,
    offload.OFFLOADS,
    RECOVERY_POINTS,
    restore.RESTORES,
    job.JOBS,
    *INVENTORY_RESOURCES,
)


def declare(rest: RestApi, /) -> None:
    """Declare everything that is served to users and their tools."""
    for resource in RESOURCES:
        rest.add(resource)
    rest.action("kubebackups", "run", backup.run, access=requires("kubeclusters.backup"))
    rest.action("kubeoffloads", "run", offload.run, access=requires("kubeclusters.backup"))
    rest.action("kuberestores", "run", restore.run, access=requires("kubeclusters.restore"))
    rest.action("jobs", "cancel", job.cancel)
    rest.route("/api/v1/jobs/{id}/logs", job.show_log, access=requires("jobs.read"))
    rest.route("/api/v1/objectstores/provider-info", list_vendor_storage, access=requires("objectstores.read"))
    rest.route("/kubeclusteragents/{token}.yaml", cluster.show_manifest, access=open_access("the token in the path is the secret"))
