"""The declaration of `objectstores`: a store is proven before it is stored, and its keys are never shown. Source: rest-api.md 2.4."""

from __future__ import annotations

from typing import Any

from ..kit.errors import InvalidError
from ..kit.rest import Docs, Hooks, RequestContext, Resource, Unique
from ..kit.rest.paths import get
from ..kit.store import And, Compare, Document, In, eq
from ..policy.windows import Limits
from .check import INDEXES, begun
from .checks import Checks
from .location import changed, reach_of, revision_of, summary
from .locations import CLUSTERS, Locations
from .model import ObjectStore, join_prefix, not_yet, same_place
from .place import collision
from .probe import ProbeError
from .providers import provider_of
from .service import COLLECTION, ObjectStores
from .shown import EXAMPLE, ObjectStoreShown
from .usage import POINTS, data_in, users_of


class ObjectStoreHooks(Hooks):
    """Prove the store, tell the clusters of changes, record the repository password with it, and refuse to delete one in use."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Refuse what cannot be served; probe; say what came of it."""
        standing = await _proven(context, document)
        password = await context.service(ObjectStores).repository_password()
        sealed = context.vault.seal(password.get_secret_value(), aad=f"{COLLECTION}/{document['_id']}/repo_password")
        return document | standing | {"repo_password": sealed}

    async def after_create(self, context: RequestContext, document: Document, /) -> Document:
        """Have a private store tried out at once."""
        return await _tried(context, document)

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Probe again when the place or the keys changed, and mark that the clusters are to be told."""
        moved = [path for path in _PLACE if join_prefix(get(old, path)) != join_prefix(get(new, path))]
        if moved and (data := await data_in(context, old["_id"])):
            text = (
                f'Cannot change {moved[0]} of the object store "{old["name"]}": {", ".join(data)} would lose their data. Register another.'
            )
            raise InvalidError(text, issues=_issue(moved[0], text))
        if same_place(old) == same_place(new):
            is_asked_elsewhere = old.get("proxy_cluster_list") != new.get("proxy_cluster_list") and new.get("private")
            return new | _unproven(context) if is_asked_elsewhere else new
        return new | await _proven(context, new) | changed(old)

    async def after_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Tell the clusters, and have a private store tried out."""
        if revision_of(old) != revision_of(new):
            await context.service(Locations).roll_out(new)
        return await _tried(context, new) if old.get("check") != new.get("check") else new

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Refuse while clusters, copies or live recovery points use the store."""
        users = await users_of(context, document["_id"])
        if users:
            message = f'Cannot delete the object store "{document["name"]}": {", ".join(users)} use it. Delete or change them first.'
            raise InvalidError(message, issues={"_id": message})

    async def after_delete(self, context: RequestContext, document: Document, /) -> None:
        """Forget the recovery points of deleted clusters, which nobody can restore any more, and have the clusters forget the store."""
        await context.store.collection(POINTS).delete_many(eq("objectstore", document["_id"]))
        await context.service(Locations).forget(document["_id"])

    async def present(self, context: RequestContext, document: Document, /) -> Document:
        """Add how far the latest change has come, on the clusters that the caller may see."""
        rows = {row["cluster"]: row for row in await context.service(Locations).of(document["_id"])}
        query = And((In("_id", tuple(rows)), context.visible(CLUSTERS)))
        clusters = await context.store.collection(CLUSTERS).find(query, sort=(("name", 1),)) if rows else []
        reaches = [reach_of(rows[one["_id"]], revision=revision_of(document), cluster=one) for one in clusters]
        return document | {"status": {"rollout": summary(reaches)}}


async def _proven(context: RequestContext, document: Document) -> Document:
    """Return what is known of a store that has just been tried out; of a private one that is nothing. Raises InvalidError."""
    stores = context.service(ObjectStores)
    await _refuse_same_place(context, document)
    try:
        target = provider_of(document).target(document, stores.credentials(document))
        if document.get("private"):
            return _unproven(context)
        await stores.probe(target)
    except ProbeError as error:
        raise InvalidError(error.text, issues=_issue(error.field, error.text)) from error
    due_at = context.service(Checks).rhythm.after(context.clock.now().timestamp())
    return {"validate_state": "READY", "validate_message": not_yet(document), **begun(due_at=due_at)}


def _unproven(context: RequestContext) -> Document:
    """Return the standing of a private store that its cluster has yet to try out; it is due, in case this server dies before it asks."""
    return {"validate_state": "VALIDATING", "validate_message": _UNPROVEN, **begun(due_at=context.clock.now().timestamp())}


_UNPROVEN = "Not tried out yet: this server does not reach a private object store, the agent of its cluster is asked."


async def _tried(context: RequestContext, document: Document) -> Document:
    if not document.get("private") or document["check"]["command"]:
        return document
    await context.service(Checks).start(document)
    return await context.documents(COLLECTION).get(document["_id"])


async def _refuse_same_place(context: RequestContext, document: Document) -> None:
    """Say at once that the place is taken, instead of probing first; the unique index says it to the second of two at once."""
    field = "s3provider.storage_account_name" if document.get("provider_type") == "azure" else "bucket_name"
    collection, others = context.store.collection(COLLECTION), Compare("_id", "ne", document["_id"])
    query = And((*(eq(path, get(document, path)) for path in _UNIQUE), others))
    if await collection.find(query, limit=1):
        text = f'"{provider_of(document).place(document)}" is registered already, with this region and prefix. {_REMEDY}'
        raise InvalidError(text, issues=_issue(field, text))
    neighbours = And((eq("bucket_name", document.get("bucket_name")), others))
    if text := collision(document, await collection.find(neighbours)):
        raise InvalidError(text, issues=_issue("prefix", text))


_PLACE = ("provider_type", "bucket_name", "prefix", "s3provider.storage_account_name")
_UNIQUE = ("provider_type", "region", "prefix", "bucket_name", "s3provider.storage_account_name")
_REMEDY = "Use that object store, or another prefix."


def _issue(field: str, text: str) -> dict[str, Any]:
    head, _, rest = field.partition(".")
    return {head: _issue(rest, text) if rest else text}


OBJECT_STORES = Resource(
    name=COLLECTION,
    title="Objectstore",
    noun="object store",
    model=ObjectStore,
    defaults={"provider_type": "aws", "private": False},
    additions=frozenset({*Limits.model_fields, "ca_pem", "s3_options"}),
    initial=lambda: {"validate_state": "VALIDATING", "validate_message": "", "rollout": {"revision": 0, "is_due": False}},
    write_only=frozenset({"s3provider.credentials"}),
    hidden=frozenset({"repo_password", "rollout", "check"}),
    bound={
        "s3provider.credentials": (
            "s3provider.endpoint",
            "bucket_name",
            "provider_type",
            "s3provider.storage_account_name",
            "s3provider.cloud",
        )
    },
    references={"proxy_cluster_list": "kubeclusters"},
    unique=(
        Unique(("name",), 'The name "{name}" is taken by another object store.'),
        Unique(_UNIQUE, f"This place is registered already, with this region and prefix. {_REMEDY}"),
    ),
    indexes=INDEXES,
    is_shared=True,
    hooks=ObjectStoreHooks(),
    docs=Docs(shown=ObjectStoreShown, example=EXAMPLE),
)


async def list_vendor_storage(context: RequestContext, /) -> Document:
    """Answer the storage that the vendor rents out: none, in a self-hosted installation."""
    del context
    return {"_items": []}
