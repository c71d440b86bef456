"""The declarations of the inventory collections: the server writes, clients read."""

from __future__ import annotations

from collections.abc import Mapping

from ..identity.belonging import CLUSTERS, cluster_of_namespaces, in_namespace
from ..kit.rest import Belonging, Docs, Resource, ShownModel, within
from ..kit.rest.resource import READ_METHODS
from .model import CLAIMS, CLUSTER_INDEX, NAMESPACES, STORAGE_CLASSES
from .shown import ClaimShown, NamespaceShown, StorageClassShown


def _declare(
    name: str,
    *,
    title: str,
    noun: str,
    shown: type[ShownModel],
    belongs: Mapping[str, Belonging] | None = None,
    readable_from: Mapping[str, Belonging] | None = None,
) -> Resource:
    return Resource(
        name=name,
        title=title,
        noun=noun,
        references={"cluster_id": "kubeclusters"},
        unique=(),
        indexes=(CLUSTER_INDEX,),
        methods=READ_METHODS,
        belongs={CLUSTERS: within("cluster_id"), **(belongs or {})},
        readable_from=readable_from or {},
        docs=Docs(shown=shown),
    )


INVENTORY_RESOURCES = (
    _declare(
        NAMESPACES,
        title="Kubenamespace",
        noun="namespace",
        shown=NamespaceShown,
        belongs={NAMESPACES: in_namespace(cluster="cluster_id", namespace="name")},
    ),
    _declare(
        CLAIMS,
        title="Kubepvclaim",
        noun="persistent volume claim",
        shown=ClaimShown,
        belongs={NAMESPACES: in_namespace(cluster="cluster_id", namespace="namespace_name")},
    ),
    _declare(
        STORAGE_CLASSES,
        title="Kubestorageclass",
        noun="storage class",
        shown=StorageClassShown,
        readable_from={NAMESPACES: cluster_of_namespaces("cluster_id")},
    ),
)
