"""What the API serves: one line per resource, action and route."""

from __future__ import annotations

from typing import Any

from .alert.resource import ALERTS, SYSTEM_ALERTS
from .backup import resource as backup
from .backup.model import RunRequest
from .backup.shown import RUN_EXAMPLE
from .cloud_account import resource as cloud_account
from .cloud_account.model import Callback
from .cluster import resource as cluster
from .dashboard import resource as dashboard
from .hook.resource import HOOK_TEMPLATES, HOOKS
from .identity.cookies import SESSION_COOKIE
from .inventory.resource import INVENTORY_RESOURCES
from .job import resource as job
from .kit.openapi import BEARER, Description, describe
from .kit.rest import Resource, RestApi, RouteDocs, known_access, open_access, requires
from .migration import resource as migration
from .notification import resource as notification
from .object_store.resource import OBJECT_STORES, list_vendor_storage
from .object_store.shown import VendorStorage
from .offload import resource as offload
from .policy.preview import PreviewRequest, PreviewShown
from .policy.resource import POLICIES, show_preview
from .policy.shown import PREVIEW_EXAMPLE
from .recovery_point import preview as retention
from .recovery_point.resource import RECOVERY_POINTS
from .restore import resource as restore
from .store_import import resource as store_import
from .store_import.model import ImportRequest
from .velero.resource import VELERO_RESOURCES

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
    migration.MIGRATIONS,
    job.JOBS,
    job.PVC_PROGRESS,
    ALERTS,
    SYSTEM_ALERTS,
    notification.NOTIFICATION_CHANNELS,
    notification.NOTIFICATION_DELIVERIES,
    cloud_account.CLOUD_ACCOUNTS,
    cloud_account.CLOUD_TASKS,
    *INVENTORY_RESOURCES,
    *VELERO_RESOURCES,
)


def declare(rest: RestApi, /) -> None:
    """Declare everything that is served to users and their tools."""
    for resource in RESOURCES:
        rest.add(resource)
    run = RouteDocs(body=RunRequest, example=RUN_EXAMPLE)
    rest.route(
        dashboard.PATH, dashboard.show, access=known_access("it counts only what the caller may read elsewhere"), docs=dashboard.DOCS
    )
    rest.action("kubeclusters", "preflight", cluster.look_over, access=requires("kubeclusters.update"))
    rest.action("kubebackups", "run", backup.run, access=requires("kubeclusters.backup"), docs=run)
    rest.action("kubeoffloads", "run", offload.run, access=requires("kubeclusters.backup"), docs=run)
    rest.action("kuberestores", "run", restore.run, access=requires("kubeclusters.restore"))
    rest.action("kubemigrations", "run", migration.run, access=requires("kubeclusters.restore"))
    rest.action("jobs", "cancel", job.cancel, docs=RouteDocs(body=job.CancelRequest, example={"keep": False}))
    rest.action("notificationchannels", "test", notification.test)
    rest.action(
        "objectstores",
        "import",
        store_import.start,
        access=requires(store_import.PERMISSION, is_whole=True),
        docs=RouteDocs(body=ImportRequest, answer=store_import.ImportStarted, example=store_import.EXAMPLE),
    )
    rest.route(
        cloud_account.CALLBACK_PATH,
        cloud_account.move_to_active,
        methods=("POST",),
        access=open_access("a deployment in the customer's cloud calls without a token; the secret is in the address"),
        docs=RouteDocs(body=Callback, errors=frozenset({404})),
    )
    rest.route(
        "/api/v1/policies/action/preview",
        show_preview,
        methods=("POST",),
        access=requires("policies.read"),
        docs=RouteDocs(body=PreviewRequest, answer=PreviewShown, example=PREVIEW_EXAMPLE),
    )
    for path, handler in (("kubebackups", retention.preview_definition), ("policies", retention.preview_policy)):
        rest.route(f"/api/v1/{path}/{{id}}/retention-preview", handler, access=requires(f"{path}.read"), docs=retention.DOCS)
    rest.route("/api/v1/jobs/{id}/logs", job.show_log, access=requires("jobs.read"), docs=RouteDocs(media_type="text/plain"))
    rest.route(
        "/api/v1/objectstores/provider-info",
        list_vendor_storage,
        access=requires("objectstores.read"),
        docs=RouteDocs(answer=VendorStorage),
    )
    rest.route(
        "/kubeclusteragents/{token}.yaml",
        cluster.show_manifest,
        access=open_access("the token in the path is the secret"),
        docs=RouteDocs(media_type="application/x-yaml"),
    )


_ABOUT = """\
Data protection for Kubernetes. Every collection speaks one dialect: lists with `where`, `sort`, `page`, `max_results` and `projection`, documents with an
`_etag` that PUT and PATCH must name in `If-Match`, errors in one form, with `_issues` by field where a document is refused.

A path answers 405 to a method that is not listed for it; a path that is not listed answers 404. Clients must ignore fields they do not know.
Times are seconds since 1970, except `_created` and `_updated`. docs/reference/api.md says more.
"""


SESSION = {
    "type": "apiKey",
    "in": "cookie",
    "name": SESSION_COOKIE,
    "description": "The session of a person who signed in. A change needs the header `X-Requested-With` too, with any value.",
}


def describe_api(rest: RestApi, /, *, version: str, is_strict: bool = False) -> dict[str, Any]:
    """Return the description of everything declared, OpenAPI 3.1."""
    about = Description(title="CloudCasa", version=version, text=_ABOUT, security={"bearer": BEARER, "session": SESSION})
    return describe(rest, about, is_strict=is_strict)
