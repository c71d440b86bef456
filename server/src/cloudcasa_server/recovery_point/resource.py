"""The declaration of `backupinstances`. Clients read and delete them; what deletes is deletion.py."""

from __future__ import annotations

from ..identity.belonging import CLUSTERS, NAMESPACES, in_namespaces
from ..kit.errors import InvalidError
from ..kit.rest import Docs, Hooks, RequestContext, Resource, within
from ..kit.rest.resource import READ_METHODS
from ..kit.store import Document
from .deletion import Deletions
from .model import COLLECTION, INDEXES
from .retention import is_locked
from .shown import EXAMPLE, RecoveryPointShown


class RecoveryPointHooks(Hooks):
    """Deleting takes a job."""

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Refuse while locked, or while a restore reads it."""
        if is_locked(document, now=context.clock.timestamp()):
            message = f'Cannot delete the recovery point "{document["name"]}": it is locked until it expires.'
            raise InvalidError(message, issues={"_id": message})
        if await context.service(Deletions).used([document["_id"]]):
            message = f'Cannot delete the recovery point "{document["name"]}": a restore from it is running. Wait for its end.'
            raise InvalidError(message, issues={"_id": message})

    async def delete(self, context: RequestContext, document: Document, /) -> bool:
        """Mark the point DELETING and open the job that deletes its data."""
        deletions = context.service(Deletions)
        point = await deletions.points.find(document["_id"])
        while point is not None and not await deletions.start(point, is_expiry=False) and not await deletions.is_running(point["_id"]):
            point = await deletions.points.find(document["_id"])
        return True


RECOVERY_POINTS = Resource(
    name=COLLECTION,
    title="Backupinstance",
    noun="recovery point",
    hidden=frozenset({"velero", "sweep"}),
    references={
        "cluster": "kubeclusters",
        "backupdef": "kubebackups",
        "offload_def": "kubeoffloads",
        "objectstore": "objectstores",
        "source_backupinst": COLLECTION,
    },
    unique=(),
    indexes=INDEXES,
    methods=READ_METHODS | {"delete"},
    belongs={
        CLUSTERS: within("cluster"),
        NAMESPACES: in_namespaces(cluster="cluster", namespaces="backup_selection.namespaces", is_whole="backup_selection.all_namespaces"),
    },
    hooks=RecoveryPointHooks(),
    docs=Docs(shown=RecoveryPointShown, example=EXAMPLE),
)
