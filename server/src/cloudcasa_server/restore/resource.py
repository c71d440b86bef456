"""The declaration of `kuberestores`: creating one starts it. Source: rest-api.md 2.9."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..identity.belonging import CLUSTERS, NAMESPACES, in_namespaces
from ..job.service import Jobs
from ..kit.rest import Docs, Hooks, RequestContext, Resource, Unique, within
from ..kit.store import Document, Index
from .model import COLLECTION, Restore, touched_namespaces
from .service import check, open_restore
from .shown import EXAMPLE, RestoreShown


class RestoreHooks(Hooks):
    """Judge a restore against its recovery point, and start it."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Refuse what could not run; note whose data it is."""
        point = await check(context, document)
        return document | _place(document, point)

    async def after_create(self, context: RequestContext, document: Document, /) -> Document:
        """Open the job."""
        point = await context.documents("backupinstances").get(document["backup_inst"])
        await open_restore(context.service(Jobs), document, point=point)
        return await context.documents(COLLECTION).get(document["_id"])

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Apply the same rules; the next run uses them."""
        del old
        point = await check(context, new)
        return new | _place(new, point)


def _place(document: Document, point: Document) -> Document:
    """Return whose data a restore reads and writes: what access to it is judged by."""
    return {
        "source_cluster": point["cluster"],
        "cluster": document.get("cluster") or point["cluster"],
        "touched_namespaces": touched_namespaces(document, point=point),
    }


async def run(context: RequestContext, document: Document, body: Mapping[str, Any], /) -> Mapping[str, Any]:
    """Repeat a restore; answer the document as it was before."""
    del body
    point = await check(context, document)
    await open_restore(context.service(Jobs), document, point=point)
    return document


RESTORES = Resource(
    name=COLLECTION,
    title="Kuberestore",
    noun="restore",
    model=Restore,
    initial=lambda: {"status": {"state": "PENDING"}},
    additions=frozenset({"selection.objects"}),
    references={
        "cluster": "kubeclusters",
        "backup_inst": "backupinstances",
        "source_cluster": "kubeclusters",
        "migrationdef": "kubemigrations",
    },
    unique=(Unique(("name",), 'The name "{name}" is taken by another restore.'),),
    indexes=(
        Index("cluster", (("cluster", 1), ("_updated", -1))),
        Index("source_cluster", (("source_cluster", 1), ("_updated", -1))),
        Index("backup_inst", (("backup_inst", 1),)),
    ),
    hidden=frozenset({"touched_namespaces"}),
    belongs={
        CLUSTERS: within("cluster", "source_cluster"),
        NAMESPACES: in_namespaces(cluster="cluster", namespaces="touched_namespaces", other_cluster="source_cluster"),
    },
    also_needs={"create": ("kubeclusters.restore",)},
    hooks=RestoreHooks(),
    docs=Docs(shown=RestoreShown, example=EXAMPLE),
)
