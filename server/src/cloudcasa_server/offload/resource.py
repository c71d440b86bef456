"""The declaration of `kubeoffloads` and its action. Source: rest-api.md 2.7.

A run is one K8S_COPY job with one Velero backup that moves the data: the snapshot is taken, read into the store and dropped. So
`runBackup`/`run_backup` true and false do the same for now: a fresh snapshot is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..backup.model import named_namespaces
from ..backup.service import open_run, parse_run
from ..identity.belonging import CLUSTERS, NAMESPACES, in_namespaces
from ..job.service import Jobs
from ..kit.errors import InvalidError, NotBuiltError
from ..kit.rest import Docs, Hooks, RequestContext, Resource, Unique, within
from ..kit.store import Document, Index, Update, eq
from ..policy.service import Schedules
from .model import COLLECTION, Offload
from .shown import EXAMPLE, OffloadShown


class OffloadHooks(Hooks):
    """Derive the cluster from the backup, and keep the mirrors on it true."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Refuse what could not run; fill in the cluster."""
        placed = document | await _place(context, document)
        await context.service(Schedules).touch([document.get("backupdef")])
        return placed

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Apply the same rules."""
        placed = new | await _place(context, new)
        await context.service(Schedules).touch([old.get("backupdef"), new.get("backupdef"), *await _pointing(context, new)])
        return placed

    async def after_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Mirror the policy on the backups that point here; again, if it was changed meanwhile: the later of two may have mirrored first."""
        del old
        current: Document | None = new
        mirrored: object = ()
        while current is not None and (policy := current.get("policy")) != mirrored:
            mirrored = policy
            change = Update(set={"copy_policy": policy}) if policy else Update(unset=("copy_policy",))
            await context.store.collection("kubebackups").update_many(eq("copydef", new["_id"]), change)
            current = await context.documents(COLLECTION).find(new["_id"])
        return new

    async def after_delete(self, context: RequestContext, document: Document, /) -> None:
        """Cut the link on the backups that point here. Their etag stays, since no client changed them (rest-api.md 2.6)."""
        await context.service(Schedules).touch([document.get("backupdef"), *await _pointing(context, document)])
        change = Update(unset=("copydef", "copy_policy"))
        await context.store.collection("kubebackups").update_many(eq("copydef", document["_id"]), change)


async def _pointing(context: RequestContext, offload: Document) -> list[str]:
    """Return the backups that name this copy as theirs."""
    found = await context.store.collection("kubebackups").find(eq("copydef", offload["_id"]), projection={"name": True})
    return [one["_id"] for one in found]


async def _place(context: RequestContext, document: Document) -> Document:
    """Return whose data is copied: what access to a copy is judged by. Raises InvalidError when nothing is, or another cluster is named."""
    if not document.get("backupdef") and not document.get("backup_inst"):
        message = f'The copy "{document["name"]}" names nothing to copy. Set backupdef to a backup, or backup_inst to a recovery point.'
        raise InvalidError(message, issues={"backupdef": message})
    field = "backupdef" if document.get("backupdef") else "backup_inst"
    copied = await _copied(context, document, field)
    if document.get("cluster") and document["cluster"] != copied["cluster"]:
        message = f'"{copied["name"]}" is of another cluster than {document["cluster"]}. Leave cluster out, or correct it.'
        raise InvalidError(message, issues={"cluster": message})
    return {"cluster": copied["cluster"], "touched_namespaces": list(named_namespaces(copied[_SOURCES[field]]))}


_SOURCES = {"backupdef": "source", "backup_inst": "backup_selection"}
"""Field that names what is copied -> where that says which namespaces it holds."""


async def _copied(context: RequestContext, document: Document, field: str) -> Document:
    resource = context.resources[OFFLOADS.references[field]]
    copied = await context.documents(resource.name).find(document[field])
    if copied is None:
        message = f'Cannot make the copy "{document["name"]}": there is no {resource.noun} {document[field]}.'
        raise InvalidError(message, issues={field: message})
    return copied


async def run(context: RequestContext, document: Document, body: Mapping[str, Any], /) -> Mapping[str, Any]:
    """Start a copy run; answer the definition as it was before."""
    request = parse_run(body)
    if not document.get("backupdef"):
        message = (
            f'Cannot run the copy "{document["name"]}": copying one existing recovery point is not supported yet. Set backupdef instead.'
        )
        raise NotBuiltError(message)
    backup = await _copied(context, document, "backupdef")
    cluster = await context.documents("kubeclusters").find(backup["cluster"])
    await open_run(context.service(Jobs), backup, cluster=cluster, request=request, offload=document)
    return document


OFFLOADS = Resource(
    name=COLLECTION,
    title="Kubeoffload",
    noun="copy",
    model=Offload,
    defaults={"trigger_type": "SCHEDULED", "run_backup": False, "delete_snapshots": True},
    initial=lambda: {"status": {"state": "PENDING"}},
    references={
        "cluster": "kubeclusters",
        "backupdef": "kubebackups",
        "backup_inst": "backupinstances",
        "policy": "policies",
        "offload_provider.user_objectstore": "objectstores",
    },
    unique=(Unique(("name",), 'The name "{name}" is taken by another copy.'),),
    indexes=(Index("backupdef", (("backupdef", 1),)), Index("objectstore", (("offload_provider.user_objectstore", 1),))),
    hidden=frozenset({"touched_namespaces"}),
    belongs={CLUSTERS: within("cluster"), NAMESPACES: in_namespaces(cluster="cluster", namespaces="touched_namespaces")},
    hooks=OffloadHooks(),
    docs=Docs(shown=OffloadShown, example=EXAMPLE),
)
