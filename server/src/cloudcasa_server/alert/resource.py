"""The declarations of `alerts` and `systemalerts`. Source: rest-api.md 2.13.

`DELETE /alerts` deletes what the caller may delete one by one, all of it or what `where` names.
"""

from __future__ import annotations

from ..identity.belonging import CLUSTERS, NAMESPACES, in_namespaces
from ..kit.rest import READ_METHODS, Docs, Resource, Unique, within
from ..kit.store import Index
from .model import COLLECTION, SYSTEM, UNTOLD
from .shown import EXAMPLE, SYSTEM_EXAMPLE, AlertShown, SystemAlertShown

ALERTS = Resource(
    name=COLLECTION,
    title="Alert",
    noun="alert",
    hidden=frozenset({"event", "touched_namespaces", UNTOLD}),
    references={"job": "jobs", "cluster": CLUSTERS},
    unique=(Unique(("event",), "There is an alert about this already."),),
    indexes=(
        Index("newest", (("_created", -1),)),
        Index("untold", ((UNTOLD, 1), ("_created", 1))),
        Index("cluster", (("cluster", 1), ("_created", -1))),
    ),
    methods=READ_METHODS | {"delete", "clear"},
    belongs={CLUSTERS: within("cluster"), NAMESPACES: in_namespaces(cluster="cluster", namespaces="touched_namespaces")},
    docs=Docs(shown=AlertShown, example=EXAMPLE),
)
SYSTEM_ALERTS = Resource(
    name=SYSTEM,
    title="Systemalert",
    noun="system alert",
    unique=(),
    methods=READ_METHODS,
    is_shared=True,
    docs=Docs(shown=SystemAlertShown, example=SYSTEM_EXAMPLE),
)
