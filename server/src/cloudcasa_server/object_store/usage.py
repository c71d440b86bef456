"""Who uses a store: what keeps it from being deleted or moved. Asked by resource.py.

A cluster's deletion leaves its recovery points behind, and `terraform destroy` takes cluster and store away in one go (rest-api.md 2.1, 2.4): points
whose cluster is gone do not hold the store; their data stays in it, where a stock Velero reads it.
"""

from __future__ import annotations

from ..kit.rest import RequestContext
from ..kit.store import And, Compare, In, Not, Query, eq

POINTS = "backupinstances"
_SHOWN = 3
_MOST = 1_000


async def users_of(context: RequestContext, objectstore_id: str, /) -> list[str]:
    """Return what would miss the store: clusters, copies, running jobs, and recovery points of clusters that are there."""
    default = eq("backup_provider.user_objectstore", objectstore_id)
    users = await context.named("kubeclusters", "cluster", default, limit=_SHOWN)
    users += await _copied_here(context, objectstore_id)
    users += await context.named("orgs", "organisation", default, limit=_SHOWN)
    gone = await _deleted_clusters(context, objectstore_id)
    return users + await data_in(context, objectstore_id, but=gone)


async def _copied_here(context: RequestContext, objectstore_id: str) -> list[str]:
    """Return backups whose copy goes here. A copy that no backup points to does nothing: Terraform leaves such behind (rest-api.md 4.5)."""
    here = eq("offload_provider.user_objectstore", objectstore_id)
    copies = await context.store.collection("kubeoffloads").find(here, limit=_MOST, projection={"name": True})
    pointing = In("copydef", tuple(each["_id"] for each in copies))
    return await context.named("kubebackups", "copy of the backup", pointing, limit=_SHOWN) if copies else []


async def data_in(context: RequestContext, objectstore_id: str, /, *, but: list[str] | None = None) -> list[str]:
    """Return what lies in the store, or is being written to it or read from it; `but` for some clusters."""
    running = And((eq("script.data.objectstore", objectstore_id), eq("script.is_open", True)))
    counts = {
        "recovery point": await context.store.collection(POINTS).count(_live(objectstore_id, but=but or [])),
        "running job": await context.store.collection("jobs").count(running),
    }
    return [f"{count} {noun}{'s' if count > 1 else ''}" for noun, count in counts.items() if count]


def _live(objectstore_id: str, *, but: list[str]) -> Query:
    here = (eq("objectstore", objectstore_id), Compare("state", "ne", "DELETING"))
    return And((*here, Not(In("cluster", tuple(but)))) if but else here)


async def _deleted_clusters(context: RequestContext, objectstore_id: str) -> list[str]:
    """Return the clusters with points here that are no more, up to the first that is still there: it alone holds the store."""
    gone: list[str] = []
    while points := await context.store.collection(POINTS).find(_live(objectstore_id, but=gone), limit=1, projection={"cluster": True}):
        if await context.store.collection("kubeclusters").get(points[0]["cluster"]) is not None:
            break
        gone.append(points[0]["cluster"])
    return gone
