"""The declarations of the inventory collections: the server writes, clients read."""

from __future__ import annotations

from ..kit.rest import Resource
from ..kit.rest.resource import READ_METHODS
from .model import CLAIMS, CLUSTER_INDEX, NAMESPACES, STORAGE_CLASSES


def _declare(name: str, *, title: str, noun: str) -> Resource:
    return Resource(
        name=name,
        title=title,
        noun=noun,
        references={"cluster_id": "kubeclusters"},
        unique=(),
        indexes=(CLUSTER_INDEX,),
        methods=READ_METHODS,
    )


INVENTORY_RESOURCES = (
    _declare(NAMESPACES, title="Kubenamespace", noun="namespace"),
    _declare(CLAIMS, title="Kubepvclaim", noun="persistent volume claim"),
    _declare(STORAGE_CLASSES, title="Kubestorageclass", noun="storage class"),
)
