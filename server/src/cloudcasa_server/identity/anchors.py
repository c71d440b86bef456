"""What rows of access control name, remembered: a namespace that is lost stays known to the grants around it.

An inventory forgets a namespace when the cluster has it no more. Its people then need their grant the most, to restore it. So a row's ids are
written down with the cluster and the name when the row is made, and an inventory gives a namespace that comes back the id that it had.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ..kit.rest.access import Anchor
from ..kit.store import Document, DuplicateKeyError, In, Store
from .belonging import NAMESPACES

COLLECTION = "accessanchors"
CHUNK = 1_000
_REMEMBERED = ("cluster_id", "name")


async def remember(store: Store, namespaces: Iterable[Document], /) -> None:
    """Write down namespaces that a row names."""
    for namespace in namespaces:
        anchor = {"_id": namespace["_id"], **{key: namespace[key] for key in _REMEMBERED}}
        try:
            await store.collection(COLLECTION).insert(anchor)
        except DuplicateKeyError:
            continue


async def find_anchors(store: Store, rows: Iterable[Document], /) -> Mapping[str, Anchor]:
    """Return {id: anchor} of the namespaces that rows name: as remembered, else as they are."""
    wanted = {str(one).lower() for row in rows if row.get("resource") == NAMESPACES for one in row.get("resourceIds") or ()}
    if not wanted:
        return {}
    found = await _find(store, COLLECTION, wanted)
    found += await _find(store, NAMESPACES, wanted - {one["_id"] for one in found})
    return {one["_id"]: {"_id": one["_id"], **{key: one[key] for key in _REMEMBERED if key in one}} for one in found}


async def _find(store: Store, collection: str, ids: Collection[str]) -> list[Document]:
    """Return the documents of ids, which may be of many groups together: each query asks for some."""
    wanted = sorted(ids)
    chunks = (tuple(wanted[start : start + CHUNK]) for start in range(0, len(wanted), CHUNK))
    return [one for chunk in chunks for one in await store.collection(collection).find(In("_id", chunk))]
