"""The six functions behind every resource: list, get, create, replace, patch, delete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from ..errors import AppError, ConflictError, InvalidError, PreconditionFailedError, PreconditionRequiredError
from ..ids import is_id
from ..store import ALL, Collection, Document, DuplicateKeyError, In, Query, Update, eq
from . import paths
from .access import CREATE, DELETE, UPDATE
from .answers import json_response
from .body import read_object
from .context import RequestContext
from .documents import Documents, copied, not_unique, settable_fields
from .embed import CHUNK, Tree, embed, expand, parse_embedded
from .listing import MAX_SKIP, Listing, page_links, parse_listing
from .resource import Resource
from .sight import both
from .validation import check_bound, check_immutable, judge, merged, settable
from .where import parse_where

Serve = Callable[[RequestContext, Resource], Awaitable[Response]]

ATTEMPTS = 5
"""How often a write is tried again when its document changed beneath it without its etag changing."""


async def list_(context: RequestContext, resource: Resource) -> Response:
    """Answer a page."""
    listing = parse_listing(context.parameters, resource)
    tree = parse_embedded(context.parameters.get("embedded"), resource, context.resources)
    collection = context.documents(resource.name).collection
    query = both(listing.query, context.sight.visible(resource))
    found, total = await _page(collection, query, listing)
    items = [context.sight.present(resource, document) for document in found]
    await _embed(context, items, tree, resource)
    await expand(items, resource, context.store)
    body = {
        "_items": items,
        "_meta": {"page": listing.page, "max_results": listing.max_results, "total": total},
        "_links": page_links(resource, listing, total, context.parameters),
    }
    return json_response(body, headers={"X-Total-Count": str(total)})


async def _page(collection: Collection, query: Query, listing: Listing) -> tuple[list[Document], int]:
    """Return the documents of a page and how many there are in all: a page that is not full tells, so most lists take one call."""
    found: list[Document] = []
    if listing.skip < MAX_SKIP:
        found = await collection.find(query, sort=listing.sort, skip=listing.skip, limit=listing.max_results, projection=listing.projection)
    if len(found) < listing.max_results and (found or not listing.skip):
        return found, listing.skip + len(found)
    return found, await collection.count(query)


async def get(context: RequestContext, resource: Resource) -> Response:
    """Answer one document."""
    tree = parse_embedded(context.parameters.get("embedded"), resource, context.resources)
    document = await context.get(resource.name, context.path_params["id"])
    return await _answer(context, resource, document, tree=tree, is_write=False)


async def create(context: RequestContext, resource: Resource) -> Response:
    """Store a new document: 201 with all of it."""
    documents = context.documents(resource.name)
    fields = settable(await read_object(context.request), resource)
    judge(fields, resource)
    document = documents.new(fields, user=context.principal.email)
    await check_references(context, resource, document, operation=CREATE)
    context.sight.require_told(resource, CREATE, document)
    document = documents.seal(await resource.hooks.before_create(context, document))
    context.sight.require(resource, CREATE, document)
    document["_etag"] = documents.etag(document)
    await documents.insert(document)
    context.log.info("Document created", resource=resource.name, id=document["_id"], user=context.principal.email)
    await context.record(CREATE, resource.name, document, after=document)
    document = await resource.hooks.after_create(context, document)
    headers = {"Location": f"/api/v1/{resource.name}/{document['_id']}"}
    return await _answer(context, resource, document, status=201, headers=headers)


async def replace(context: RequestContext, resource: Resource) -> Response:
    """Replace the client-settable fields: what the body leaves out disappears, but not secrets and what its sender may not know."""
    body = await read_object(context.request)

    def wanted(stored: Document, current: Document) -> Document:
        return _with_additions({**copied(dict(resource.defaults)), **settable(body, resource, stored)}, current, resource)

    return await _write(context, resource, body, wanted)


def _with_additions(new: Document, current: Document, resource: Resource) -> Document:
    """Return the document with what a client that does not know our additions has left out of an object that it sent."""
    for path in resource.additions:
        parent = paths.get(new, path.rpartition(".")[0]) if "." in path else new
        if isinstance(parent, dict) and paths.has(current, path) and not paths.has(new, path):
            paths.put(new, path, copied(paths.get(current, path)))
    return new


async def patch(context: RequestContext, resource: Resource) -> Response:
    """Merge the body into the client-settable fields, object by object."""
    return await change(context, resource, await read_object(context.request))


async def change(context: RequestContext, resource: Resource, body: Document) -> Response:
    """Merge a body, whichever way it came, into the client-settable fields."""

    def wanted(stored: Document, current: Document) -> Document:
        changes = settable(body, resource, stored)
        return {**current, **{key: merged(current.get(key), value) for key, value in changes.items()}}

    return await _write(context, resource, body, wanted)


Wanted = Callable[[Document, Document], Document]
"""From the stored document and its settable fields in clear to the settable fields that are asked for."""


async def _write(context: RequestContext, resource: Resource, body: Document, wanted: Wanted) -> Response:
    """Try until no one changed the document in between; a changed etag ends it with 412."""
    match = _if_match(context)
    documents = context.documents(resource.name)
    for _ in range(ATTEMPTS):
        old = await context.get(resource.name, context.path_params["id"], permission=f"{resource.name}.{UPDATE}")
        context.sight.require(resource, UPDATE, old)
        if match is None:
            raise PreconditionRequiredError(f'To change this {resource.noun}, send its _etag in the header "If-Match".')
        _check_etag(match, old, resource)
        new = await _judged(context, resource, old, body, wanted)
        stored = await _store(documents, old, new)
        if stored is not None:
            context.log.info("Document changed", resource=resource.name, id=old["_id"], user=context.principal.email)
            await context.record(UPDATE, resource.name, stored, before=old, after=stored)
            return await _answer(context, resource, await resource.hooks.after_update(context, old, stored))
    raise ConflictError(f"This {resource.noun} is being changed by others at the same time. Try again.")


async def _judged(context: RequestContext, resource: Resource, old: Document, body: Document, wanted: Wanted) -> Document:
    """Return the document as it is to be stored."""
    documents = context.documents(resource.name)
    allowed = settable_fields(resource)
    clear = documents.reveal(old)
    current = {key: value for key, value in clear.items() if key in allowed}
    fields = _with_kept_secrets(resource, current, wanted(old, current))
    judge(fields, resource)
    check_immutable(current, fields, resource)
    check_bound(current, fields, resource, sent=body)
    new = {key: value for key, value in old.items() if key not in allowed} | fields
    await check_references(context, resource, new, than=old, operation=UPDATE)
    context.sight.require(resource, UPDATE, new)
    new = await resource.hooks.before_update(context, old, _sealed(documents, old, clear, new))
    context.sight.require(resource, UPDATE, new)
    new = _sealed(documents, old, clear, new)
    return new | {"_etag": documents.etag(new), "_updated": context.clock.timestamp()}


def _sealed(documents: Documents, old: Document, clear: Document, new: Document) -> Document:
    """Return the document with its secrets sealed; those that did not change keep their sealed text."""
    new = copied(new)
    for path in documents.resource.write_only:
        if paths.has(new, path) and paths.has(clear, path) and paths.get(new, path) == paths.get(clear, path):
            paths.put(new, path, paths.get(old, path))
    return documents.seal(new)


def _with_kept_secrets(resource: Resource, current: Document, fields: Document) -> Document:
    """Return the fields with the stored secrets where the object that holds them is there and they are left out, or sent as `{}`."""
    fields = copied(fields)
    for path in resource.write_only:
        parent, _, _ = path.rpartition(".")
        is_room = isinstance(paths.get(fields, parent), dict) if parent else True
        if is_room and paths.get(fields, path, {}) == {} and paths.has(current, path):
            paths.put(fields, path, copied(paths.get(current, path)))
    return fields


async def _store(documents: Documents, old: Document, new: Document) -> Document | None:
    """Store the differences if the etag is still the one that was judged."""
    change = difference(old, new, settable_fields(documents.resource))
    try:
        return await documents.collection.update(old["_id"], change, expected=eq("_etag", old.get("_etag")))
    except DuplicateKeyError as e:
        raise not_unique(documents.resource, e.index, new) from e


def difference(old: Document, new: Document, whole: frozenset[str]) -> Update:
    """Return the change that makes the new document of the old: `whole` fields as one, others by path, so that what tasks write stays."""
    changes: dict[str, Any] = {}
    gone: list[str] = []

    def compare(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str) -> None:
        gone.extend(f"{prefix}{key}" for key in before if key not in after)
        for key, value in after.items():
            earlier = before.get(key)
            if key in before and earlier == value and type(earlier) is type(value) and isinstance(value, str | int | None):
                continue
            if isinstance(value, dict) and isinstance(earlier, dict) and f"{prefix}{key}" not in whole and _are_plain((*value, *earlier)):
                compare(earlier, value, f"{prefix}{key}.")
            elif key not in before or earlier != value or f"{prefix}{key}" in whole:
                changes[f"{prefix}{key}"] = value

    compare(old, new, "")
    return Update(set=changes, unset=gone)


def _are_plain(keys: Sequence[str]) -> bool:
    return all(key and "." not in key and not key.startswith("$") for key in keys)


async def delete(context: RequestContext, resource: Resource) -> Response:
    """Delete the document: 204. Without If-Match always, with it only the version it names (rest-api.md 1.9)."""
    documents = context.documents(resource.name)
    match = _if_match(context)
    document = await context.get(resource.name, context.path_params["id"], permission=f"{resource.name}.{DELETE}")
    context.sight.require(resource, DELETE, document)
    if match is not None:
        _check_etag(match, document, resource)
    await resource.hooks.before_delete(context, document)
    if not await resource.hooks.delete(context, document):
        expected = eq("_etag", document.get("_etag")) if match not in {None, "*"} else None
        is_gone = await (documents.delete(document["_id"], expected=expected) if expected else documents.delete(document["_id"]))
        if not is_gone and await documents.find(document["_id"]) is not None:
            raise _changed(resource)
    context.log.info("Document deleted", resource=resource.name, id=document["_id"], user=context.principal.email)
    await context.record(DELETE, resource.name, document, before=document)
    await resource.hooks.after_delete(context, document)
    return Response(status_code=204)


async def clear(context: RequestContext, resource: Resource) -> Response:
    """Delete every document that `where` names and that the caller may see and delete: 204, also when there was none."""
    query = both(parse_where(context.parameters.get("where"), resource), context.sight.changeable(resource, DELETE))
    count = await context.documents(resource.name).collection.delete_many(query)
    context.log.info("Documents deleted", resource=resource.name, count=count, user=context.principal.email)
    await context.record(DELETE, resource.name, {"name": f"{count} documents"})
    return Response(status_code=204, headers={"X-Total-Count": str(count)})


def _if_match(context: RequestContext) -> str | None:
    """Return the etag of If-Match, which comes bare, quoted or weak; None when it is missing or empty."""
    text = context.request.headers.get("if-match", "").strip()
    return text.removeprefix("W/").strip().strip('"') or None


def _check_etag(match: str, document: Document, resource: Resource) -> None:
    wanted = {one.strip().removeprefix("W/").strip('"') for one in match.split(",")}
    if "*" not in wanted and document.get("_etag") not in wanted:
        raise _changed(resource)


def _changed(resource: Resource) -> AppError:
    return PreconditionFailedError(f"This {resource.noun} was changed by someone else since you read it. Read it again, then change it.")


async def check_references(
    context: RequestContext, resource: Resource, document: Document, *, than: Document | None = None, operation: str
) -> None:
    """Refuse ids that name nothing the caller may know of, in client-settable fields; those that were there before stay allowed.

    One query per resource.
    """
    wanted: dict[str, dict[str, str]] = {}
    for path, name in resource.references.items():
        if path.partition(".")[0] in settable_fields(resource):
            kept = _ids(than, path) if than else set()
            for value in _ids(document, path) - kept:
                wanted.setdefault(name, {})[value] = path
    issues = _unnamed(resource, document)
    for name, by_id in wanted.items():
        ids = tuple(one.lower() for one in by_id if is_id(one.lower()))
        known = await _known(context, name, ids, permission=f"{resource.name}.{operation}")
        noun = context.resources[name].noun if name in context.resources else name
        issues |= {path: f'There is no {noun} with the id "{one[:40]}".' for one, path in by_id.items() if one.lower() not in known}
    if issues:
        raise InvalidError(next(iter(issues.values())), issues=issues)


def _unnamed(resource: Resource, document: Document) -> dict[str, str]:
    """Return the sentences about required references that are empty: an empty text clears a reference, and these cannot be without."""
    fields = resource.model.model_fields if resource.model else {}
    required = {about.alias or name for name, about in fields.items() if about.is_required()}
    empty = [path for path in resource.references if path in required and document.get(path) == ""]
    return {path: f'The field "{path}" is empty; it must be the id of one of {resource.references[path]}.' for path in empty}


async def _known(context: RequestContext, name: str, ids: Sequence[str], *, permission: str) -> set[str]:
    """Return which of the ids are documents that the caller may name. A body of 1 MiB holds tens of thousands: each query asks for some."""
    reachable = _reachable(context, name, permission)
    known: set[str] = set()
    for start in range(0, len(ids), CHUNK):
        query = both(In("_id", tuple(ids[start : start + CHUNK])), reachable)
        known |= {one["_id"] for one in await context.store.collection(name).find(query, projection={"_id": True})}
    return known


def _reachable(context: RequestContext, name: str, permission: str) -> Query:
    return context.sight.reachable(context.resources[name], permission) if name in context.resources else ALL


def _ids(document: Document, path: str) -> set[str]:
    values = (holder[key] for holder, key in _slots(document, path))
    return {value for value in values if isinstance(value, str) and value}


def _slots(document: Document, path: str) -> list[tuple[Any, Any]]:
    return list(paths.slots(document, path))


async def _answer(
    context: RequestContext,
    resource: Resource,
    document: Document,
    *,
    tree: Tree | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    is_write: bool = True,
) -> Response:
    etag = str(document.get("_etag", ""))
    shown = context.sight.present(resource, await resource.hooks.present(context, copied(document)))
    await _embed(context, [shown], tree or {}, resource)
    await expand([shown], resource, context.store)
    if is_write:
        shown["_status"] = "OK"
    return json_response(shown, status=status, headers={"ETag": f'"{etag}"', **(headers or {})})


def acted(context: RequestContext, resource: Resource, answer: Mapping[str, Any]) -> Response:
    """Answer an action: a document of the resource as clients see it, anything else as it is."""
    shown = dict(answer)
    headers = {}
    if shown.get("_id") == context.path_params["id"] and isinstance(shown.get("_created"), int):
        headers = {"ETag": f'"{shown.get("_etag", "")}"'}
        shown = context.sight.present(resource, copied(shown))
    return json_response(shown | {"_status": "OK"}, headers=headers)


async def _embed(context: RequestContext, shown: Sequence[Document], tree: Tree, resource: Resource) -> None:
    async def fetch(target: Resource, ids: Sequence[str]) -> list[Document]:
        query = both(In("_id", tuple(ids)), context.sight.visible(target))
        found = await context.store.collection(target.name).find(query)
        return [context.sight.present(target, document) for document in found]

    if tree:
        await embed(shown, tree, resource, context.resources, fetch)
