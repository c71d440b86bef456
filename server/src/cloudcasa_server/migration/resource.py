"""The declaration of `kubemigrations` and its action. Source: rest-api.md 2.10."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..backup.service import check_source
from ..hook.service import BACKUP_FIELDS, RESTORE_FIELDS, check_hooks
from ..identity.belonging import CLUSTERS
from ..kit.errors import InvalidError, NotBuiltError
from ..kit.rest import Docs, Hooks, RequestContext, Resource, Unique, within
from ..kit.store import Document, Index
from .model import COLLECTION, Migration
from .shown import EXAMPLE, MigrationShown


class MigrationHooks(Hooks):
    """Judge both halves as if they stood alone."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Refuse what could not run as written."""
        _check_policy(document)
        await _check_hooks(context, document)
        await check_source(context, _backup(document))
        return document

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Ask the cluster again only when the source changed."""
        _check_policy(new)
        await _check_hooks(context, new, than=old)
        if _backup(old) != _backup(new):
            await check_source(context, _backup(new))
        return new


def _backup(migration: Document) -> Document:
    return {"name": migration["name"], "cluster": migration["backup"]["cluster"], "source": migration["backup"]["source"]}


def _check_policy(migration: Document) -> None:
    if migration.get("policy") and not migration.get("is_replication"):
        message = f'"{migration["name"]}" is a migration and runs once: leave policy out, or set is_replication.'
        raise InvalidError(message, issues={"policy": message})


async def _check_hooks(context: RequestContext, new: Document, *, than: Document | None = None) -> None:
    for half, fields in (("backup", BACKUP_FIELDS), ("restore", RESTORE_FIELDS)):
        await check_hooks(context, new[half], fields=fields, than=(than or {}).get(half))


async def run(context: RequestContext, document: Document, body: Mapping[str, Any], /) -> Mapping[str, Any]:
    """Answer honestly that migrations do not run yet."""
    del context, body
    what = "replication" if document.get("is_replication") else "migration"
    message = (
        f'Cannot run the {what} "{document["name"]}": migrations are stored and do not run yet.'
        " Back up the source, and restore on the target when restores into other clusters are there."
    )
    raise NotBuiltError(message)


MIGRATIONS = Resource(
    name=COLLECTION,
    title="Kubemigration",
    noun="migration",
    model=Migration,
    defaults={"is_replication": False, "pause": False},
    initial=lambda: {"status": {}},
    immutable=frozenset({"is_replication"}),
    references={
        "backup.cluster": CLUSTERS,
        "backup.offload_provider.user_objectstore": "objectstores",
        "restore.cluster": CLUSTERS,
        "policy": "policies",
        "copy_policy": "policies",
        "copydef": "kubeoffloads",
    },
    unique=(Unique(("name",), 'The name "{name}" is taken by another migration or replication.'),),
    indexes=(
        Index("source", (("backup.cluster", 1), ("_updated", -1))),
        Index("target", (("restore.cluster", 1), ("_updated", -1))),
        Index("policy", (("policy", 1),)),
    ),
    belongs={CLUSTERS: within("backup.cluster", "restore.cluster")},
    also_needs={"create": ("kubeclusters.backup", "kubeclusters.restore")},
    hooks=MigrationHooks(),
    docs=Docs(shown=MigrationShown, example=EXAMPLE),
)
