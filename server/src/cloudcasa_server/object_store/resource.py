"""The declaration of `objectstores`: a store is proven before it is stored, and its keys are never shown. Source: rest-api.md 2.4."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from ..kit.errors import InvalidError
from ..kit.rest import Hooks, RequestContext, Resource, Unique
from ..kit.store import And, Compare, Document, eq
from .model import DEFAULT_REGION, ObjectStore, join_prefix, normalise_endpoint, same_place
from .probe import ProbeError, ProbeTarget
from .service import COLLECTION, ObjectStores


class ObjectStoreHooks(Hooks):
    """Prove the store, record the repository password with it, and refuse to delete one in use."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Refuse what cannot be served; probe; mark READY."""
        await _check(context, document)
        password = await context.service(ObjectStores).repository_password()
        return document | {
            "validate_state": "READY",
            "validate_message": "",
            "repo_password": context.vault.seal(password.get_secret_value(), aad=f"{COLLECTION}/{document['_id']}/repo_password"),
        }

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Probe again when the place or the keys changed."""
        moved = [field for field in ("bucket_name", "prefix") if join_prefix(old.get(field)) != join_prefix(new.get(field))]
        if moved and (data := await _data(context, old["_id"])):
            text = (
                f'Cannot change {moved[0]} of the object store "{old["name"]}": {", ".join(data)} would lose their data. Register another.'
            )
            raise _refuse(moved[0], text)
        if same_place(old) != same_place(new):
            await _check(context, new)
        return new

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Refuse while clusters, copies or live recovery points use the store."""
        users = await _users(context, document["_id"])
        if users:
            message = f'Cannot delete the object store "{document["name"]}": {", ".join(users)} use it. Delete or change them first.'
            raise InvalidError(message, issues={"_id": message})


async def _users(context: RequestContext, objectstore_id: str) -> list[str]:
    users: list[str] = []
    for collection, path, noun in (
        ("kubeclusters", "backup_provider.user_objectstore", "cluster"),
        ("kubeoffloads", "offload_provider.user_objectstore", "copy"),
    ):
        found = await context.store.collection(collection).find(eq(path, objectstore_id), limit=3, projection={"name": True})
        users += [f'{noun} "{user["name"]}"' for user in found]
    return users + await _data(context, objectstore_id)


async def _data(context: RequestContext, objectstore_id: str) -> list[str]:
    """Return what lies in the store, or is being written to it or read from it."""
    points = And((eq("objectstore", objectstore_id), Compare("state", "ne", "DELETING")))
    running = And((eq("script.data.objectstore", objectstore_id), eq("script.is_open", True)))
    counts = {
        "recovery point": await context.store.collection("backupinstances").count(points),
        "running job": await context.store.collection("jobs").count(running),
    }
    return [f"{count} {noun}{'s' if count > 1 else ''}" for noun, count in counts.items() if count]


async def _check(context: RequestContext, document: Document) -> None:
    stores = context.service(ObjectStores)
    _refuse_unsupported(document)
    await _refuse_same_place(context, document)
    target = _probe_target(document, *stores.keys(document))
    try:
        await stores.probe(target)
    except ProbeError as error:
        raise InvalidError(error.text, issues=_issue(error.field, error.text)) from error


async def _refuse_same_place(context: RequestContext, document: Document) -> None:
    """Say at once that the place is taken, instead of probing first; the unique index says it to the second of two at once."""
    keys = ("provider_type", "region", "prefix", "bucket_name")
    query = And((*(eq(key, document.get(key)) for key in keys), Compare("_id", "ne", document["_id"])))
    found = await context.store.collection(COLLECTION).find(query, limit=1)
    if found:
        message = _TAKEN.format(bucket_name=document.get("bucket_name"))
        raise InvalidError(message, issues={"bucket_name": message})


_TAKEN = 'The bucket "{bucket_name}" with this region and prefix is registered already. Use that object store, or another prefix.'


def _issue(field: str, text: str) -> dict[str, Any]:
    head, _, rest = field.partition(".")
    return {head: _issue(rest, text) if rest else text}


def _refuse(field: str, text: str) -> InvalidError:
    return InvalidError(text, issues=_issue(field, text))


def _refuse_unsupported(document: Document) -> None:
    if document.get("provider_type", "aws") == "azure":
        raise _refuse("provider_type", "Azure object storage is not supported yet. Register an S3-compatible store (provider_type aws).")
    if document.get("private"):
        text = "Private object stores, which only a proxy cluster reaches, are not supported yet. Register one that the server reaches."
        raise _refuse("private", text)
    if not document.get("bucket_name"):
        raise _refuse("bucket_name", "An S3 object store needs a bucket_name.")


def _probe_target(document: Document, access_key: SecretStr, secret_key: SecretStr) -> ProbeTarget:
    endpoint = (document.get("s3provider") or {}).get("endpoint")
    if not endpoint:
        raise _refuse("s3provider.endpoint", "An S3 object store needs s3provider.endpoint, such as https://s3.example.com:9000.")
    try:
        url = normalise_endpoint(endpoint)
    except ValueError as error:
        raise _refuse("s3provider.endpoint", str(error)) from error
    if not access_key.get_secret_value() or not secret_key.get_secret_value():
        text = f'Cannot access bucket "{document["bucket_name"]}" without keys. Check the credentials and permissions: give access_key and secret_key.'
        raise _refuse("s3provider.credentials", text)
    return ProbeTarget(
        endpoint=url,
        bucket=document["bucket_name"],
        prefix=document.get("prefix") or "",
        region=document.get("region") or DEFAULT_REGION,
        access_key=access_key,
        secret_key=secret_key,
        ca_pem=document.get("ca_pem") or None,
        skip_tls_verification=bool(document.get("skip_tls_certificate_validation")),
    )


OBJECT_STORES = Resource(
    name=COLLECTION,
    title="Objectstore",
    noun="object store",
    model=ObjectStore,
    defaults={"provider_type": "aws", "private": False},
    initial=lambda: {"validate_state": "VALIDATING", "validate_message": ""},
    write_only=frozenset({"s3provider.credentials"}),
    hidden=frozenset({"repo_password"}),
    bound={"s3provider.credentials": ("s3provider.endpoint", "bucket_name", "provider_type")},
    references={"proxy_cluster_list": "kubeclusters"},
    unique=(
        Unique(("name",), 'The name "{name}" is taken by another object store.'),
        Unique(("provider_type", "region", "prefix", "bucket_name"), _TAKEN),
    ),
    hooks=ObjectStoreHooks(),
)


async def list_vendor_storage(context: RequestContext, /) -> Document:
    """Answer the storage that the vendor rents out: none, in a self-hosted installation."""
    del context
    return {"_items": []}
