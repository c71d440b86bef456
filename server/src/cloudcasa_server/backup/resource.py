"""The declaration of `kubebackups` and its action. Source: rest-api.md 2.6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..hook.service import BACKUP_FIELDS, check_hooks
from ..identity.belonging import CLUSTERS, NAMESPACES, in_namespaces
from ..job.service import Jobs
from ..kit.rest import Docs, Hooks, RequestContext, Resource, Unique, within
from ..kit.store import Document, Index, Update, eq
from ..policy.plan import FIELD
from ..policy.service import Schedules
from .model import COLLECTION, BackupDefinition, named_namespaces
from .service import check_source, check_velero, open_run, parse_run
from .shown import EXAMPLE, BackupShown


class BackupHooks(Hooks):
    """Judge the source against the cluster, and mirror the copy's policy."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Refuse what could not run as written."""
        await check_hooks(context, document, fields=BACKUP_FIELDS)
        await check_velero(context, document)
        await check_source(context, document)
        return await context.service(Schedules).marked(await _with_copy_policy(context, document))

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Ask the cluster again only when the source changed."""
        await check_hooks(context, new, fields=BACKUP_FIELDS, than=old)
        await check_velero(context, new)
        if old["source"] != new["source"]:
            await check_source(context, new)
        return await context.service(Schedules).marked(await _with_copy_policy(context, new))

    async def after_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Tell its copies which namespaces they copy now: access to them is judged by that."""
        if old["source"] != new["source"]:
            change = Update(set={"touched_namespaces": list(named_namespaces(new["source"]))})
            await context.store.collection("kubeoffloads").update_many(eq("backupdef", new["_id"]), change)
        return new


async def _with_copy_policy(context: RequestContext, document: Document) -> Document:
    """Return the definition with `copy_policy` as its copy has it; the key is absent when there is none."""
    rest = {key: value for key, value in document.items() if key != "copy_policy"}
    offload = await context.documents("kubeoffloads").find(document["copydef"]) if document.get("copydef") else None
    return rest | {"copy_policy": offload["policy"]} if offload and offload.get("policy") else rest


async def run(context: RequestContext, document: Document, body: Mapping[str, Any], /) -> Mapping[str, Any]:
    """Start a snapshot run; answer the definition as it was before, since Terraform looks for a later job than the last it knew."""
    request = parse_run(body)
    cluster = await context.documents("kubeclusters").find(document["cluster"])
    await open_run(context.service(Jobs), document, cluster=cluster, request=request)
    return document


BACKUPS = Resource(
    name=COLLECTION,
    title="Kubebackup",
    noun="backup",
    model=BackupDefinition,
    defaults={"trigger_type": "SCHEDULED", "pause": False},
    additions=frozenset({"keep_last_good"}),
    initial=lambda: {"status": {}},
    immutable=frozenset({"cluster"}),
    references={
        "cluster": "kubeclusters",
        "policy": "policies",
        "copydef": "kubeoffloads",
        "copy_policy": "policies",
        "migrationdef": "kubemigrations",
    },
    unique=(Unique(("name",), 'The name "{name}" is taken by another backup.'),),
    indexes=(
        Index("cluster", (("cluster", 1), ("_updated", -1))),
        Index("copydef", (("copydef", 1),)),
        Index("policy", (("policy", 1),)),
        Index("copy_policy", (("copy_policy", 1),)),
        Index("due", ((f"{FIELD}.due_at", 1),)),
    ),
    hidden=frozenset({FIELD}),
    belongs={
        CLUSTERS: within("cluster"),
        NAMESPACES: in_namespaces(cluster="cluster", namespaces="source.namespaces", is_whole="source.all_namespaces"),
    },
    hooks=BackupHooks(),
    docs=Docs(shown=BackupShown, example=EXAMPLE),
)
