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
from ..kit.errors import InvalidError
from ..kit.rest import Hooks, RequestContext, Resource, Unique, within
from ..kit.store import Document, Index, Update, eq
from .model import COLLECTION, Offload


class OffloadHooks(Hooks):
    """Derive the cluster from the backup, and keep the mirrors on it true."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Refuse what could not run; fill in the cluster."""
        backup = await _backup(context, document)
        return document | _place(backup)

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Apply the same rules."""
        del old
        backup = await _backup(context, new)
        return new | _place(backup)

    async def after_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Mirror the policy on the backups that point here."""
        del old
        change = Update(set={"copy_policy": new["policy"]}) if new.get("policy") else Update(unset=("copy_policy",))
        await context.store.collection("kubebackups").update_many(eq("copydef", new["_id"]), change)
        return new

    async def after_delete(self, context: RequestContext, document: Document, /) -> None:
        """Take the mirror away; `copydef` is the client's and stays until the client clears it."""
        change = Update(unset=("copy_policy",))
        await context.store.collection("kubebackups").update_many(eq("copydef", document["_id"]), change)


def _place(backup: Document) -> Document:
    """Return whose data is copied: what access to a copy is judged by."""
    return {"cluster": backup["cluster"], "touched_namespaces": list(named_namespaces(backup["source"]))}


async def _backup(context: RequestContext, document: Document) -> Document:
    if not document.get("backupdef"):
        what = (
            "copying one existing recovery point (backup_inst) is not supported yet"
            if document.get("backup_inst")
            else "it names no backup"
        )
        message = f'Cannot make the copy "{document["name"]}": {what}. Set backupdef to the backup to copy.'
        raise InvalidError(message, issues={"backupdef": message})
    backup = await context.documents("kubebackups").find(document["backupdef"])
    if backup is None:
        message = f'Cannot make the copy "{document["name"]}": there is no backup {document["backupdef"]}.'
        raise InvalidError(message, issues={"backupdef": message})
    if document.get("cluster") and document["cluster"] != backup["cluster"]:
        message = f'The backup "{backup["name"]}" is of another cluster than {document["cluster"]}. Leave cluster out, or correct it.'
        raise InvalidError(message, issues={"cluster": message})
    return backup


async def run(context: RequestContext, document: Document, body: Mapping[str, Any], /) -> Mapping[str, Any]:
    """Start a copy run; answer the definition as it was before."""
    request = parse_run(body)
    backup = await _backup(context, document)
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
)
