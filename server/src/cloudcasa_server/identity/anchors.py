"""What rows of access control name, remembered: a namespace that is lost stays known to the grants around it.

An inventory forgets a namespace when the cluster has it no more. Its people then need their grant the most, to restore it. So a row's ids are
written down with the cluster and the name when the row is made, and an inventory gives a namespace that comes back the id that it had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..kit.rest.access import Anchor
from ..kit.store import Document, DuplicateKeyError, In, Store
from .belonging import NAMESPACES

COLLECTION = "accessanchors"
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
    found = await store.collection(COLLECTION).find(In("_id", tuple(wanted)))
    missing = wanted - {one["_id"] for one in found}
    found += await store.collection(NAMESPACES).find(In("_id", tuple(missing))) if missing else []
    return {one["_id"]: {"_id": one["_id"], **{key: one[key] for key in _REMEMBERED if key in one}} for one in found}
