"""How documents belong to clusters and namespaces: what the rooms put into `Resource.belongs`. Pure (ADR 0016).

An anchor of namespaces is {_id, cluster_id, name}: identity/acls.py remembers cluster and name with the grant, so that it goes on covering a namespace
that was lost, which is when its people need it most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..kit.rest import Belonging
from ..kit.rest.access import Anchor
from ..kit.store import And, ElemMatch, In, Not, Or, Query, eq

CLUSTERS = "kubeclusters"
NAMESPACES = "kubenamespaces"


def in_namespaces(*, cluster: str, namespaces: str, is_whole: str | None = None, other_cluster: str | None = None) -> Belonging:
    """Return the belonging of documents whose list at `namespaces` names only namespaces of the anchors, at least one, in one cluster.

    `is_whole` is the path of the flag that means all namespaces, which no anchor covers; `other_cluster` that of a second cluster, which must
    be the same, since namespaces of one name in two clusters have nothing to do with each other.
    """

    def lies(names: tuple[str, ...]) -> Query:
        parts = (ElemMatch(namespaces, In("", names)), Not(ElemMatch(namespaces, Not(In("", names)))))
        return And((*parts, Not(eq(is_whole, True)))) if is_whole else And(parts)

    clusters = (cluster, other_cluster) if other_cluster else (cluster,)
    return Belonging(_by_cluster(clusters, lies), paths=(*clusters, namespaces))


def in_namespace(*, cluster: str, namespace: str) -> Belonging:
    """Return the belonging of documents that name one namespace."""
    return Belonging(_by_cluster((cluster,), lambda names: In(namespace, names)), paths=(cluster, namespace))


def cluster_of_namespaces(path: str) -> Belonging:
    """Return what must be readable to work with a namespace: its cluster, and what the whole cluster has. For `readable_from`."""

    def query(anchors: Sequence[Anchor]) -> Query:
        return In(path, tuple(sorted({str(anchor["cluster_id"]) for anchor in anchors if "cluster_id" in anchor})))

    return Belonging(query, paths=(path,))


def _by_cluster(paths: Sequence[str], lies: Callable[[tuple[str, ...]], Query]) -> Callable[[Sequence[Anchor]], Query]:
    def query(anchors: Sequence[Anchor]) -> Query:
        parts = tuple(And((*(eq(path, cluster) for path in paths), lies(names))) for cluster, names in _names_by_cluster(anchors).items())
        return parts[0] if len(parts) == 1 else Or(parts)

    return query


def _names_by_cluster(anchors: Sequence[Anchor]) -> Mapping[str, tuple[str, ...]]:
    names: dict[str, set[str]] = {}
    for anchor in anchors:
        if "cluster_id" in anchor:
            names.setdefault(str(anchor["cluster_id"]), set()).add(str(anchor["name"]))
    return {cluster: tuple(sorted(found)) for cluster, found in sorted(names.items())}
