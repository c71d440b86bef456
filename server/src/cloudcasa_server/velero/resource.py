"""The declarations of the Velero-side collections: the server writes, clients read. Source: rest-api.md 2.17."""

from __future__ import annotations

from ..identity.belonging import CLUSTERS
from ..kit.rest import READ_METHODS, Docs, Resource, within
from ..kit.store import Index
from .shown import BackupLocationShown, InstanceShown, SnapshotLocationShown


def _declare(name: str, *, title: str, noun: str, docs: Docs) -> Resource:
    return Resource(
        name=name,
        title=title,
        noun=noun,
        references={"cluster": CLUSTERS},
        unique=(),
        indexes=(Index("cluster", (("cluster", 1), ("name", 1))),),
        methods=READ_METHODS,
        belongs={CLUSTERS: within("cluster")},
        docs=docs,
    )


VELERO_RESOURCES = (
    _declare("veleroinstances", title="Veleroinstance", noun="Velero", docs=Docs(shown=InstanceShown)),
    _declare("velerobsls", title="Velerobsl", noun="backup storage location", docs=Docs(shown=BackupLocationShown)),
    _declare("velerovsls", title="Velerovsl", noun="volume snapshot location", docs=Docs(shown=SnapshotLocationShown)),
)
