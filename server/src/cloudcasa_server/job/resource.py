"""The declaration of `jobs`, its log and its actions. Clients read jobs; only the server writes them. Source: rest-api.md 2.11."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from starlette.responses import PlainTextResponse, Response

from ..identity.belonging import CLUSTERS, NAMESPACES, in_namespace, in_namespaces
from ..kit.errors import InvalidError, NotFoundError
from ..kit.rest import Docs, RequestContext, Resource, ResourceModel, Unique, within
from ..kit.rest.resource import READ_METHODS
from ..kit.store import Document
from . import volumes
from .cancel import request_cancel
from .model import COLLECTION, INDEXES
from .service import Jobs
from .shown import EXAMPLE, PVC_EXAMPLE, JobShown, PvcProgressShown

LOGS = "joblogs"

JOBS = Resource(
    name=COLLECTION,
    title="Job",
    noun="job",
    hidden=frozenset({"script", "touched_namespaces"}),
    references={
        "cluster": "kubeclusters",
        "backupdef": "kubebackups",
        "offloaddef": "kubeoffloads",
        "restoredef": "kuberestores",
        "backup_inst": "backupinstances",
        "offload_backup_inst": "backupinstances",
        "policy_id": "policies",
        "objectstore": "objectstores",
    },
    unique=(),
    indexes=INDEXES,
    methods=READ_METHODS,
    belongs={CLUSTERS: within("cluster"), NAMESPACES: in_namespaces(cluster="cluster", namespaces="touched_namespaces")},
    synonyms={"state": {"CANCELLED": "CANCELED"}},
    docs=Docs(shown=JobShown, example=EXAMPLE),
)


PVC_PROGRESS = Resource(
    name=volumes.COLLECTION,
    title="Kubepvcprogress",
    noun="progress of a volume",
    references={"job_id": COLLECTION, "cluster": CLUSTERS},
    unique=(Unique(("job_id", "namespace", "name"), "The progress of this volume is recorded already."),),
    indexes=volumes.INDEXES,
    methods=READ_METHODS,
    belongs={CLUSTERS: within("cluster"), NAMESPACES: in_namespace(cluster="cluster", namespace="namespace")},
    docs=Docs(shown=PvcProgressShown, example=PVC_EXAMPLE),
)


class CancelRequest(ResourceModel):
    """The body of the action `cancel`."""

    keep: bool = False
    """Of a restore: leave in the cluster what it has made until then, instead of taking it away again."""


async def cancel(context: RequestContext, document: Document, body: Mapping[str, Any], /) -> Mapping[str, Any]:
    """Cancel a job; what it made by half is taken away again."""
    try:
        request = CancelRequest.model_validate(body)
    except ValidationError as error:
        message = f"Cannot cancel: keep: {error.errors()[0]['msg']}."
        raise InvalidError(message, issues={"keep": message}) from error
    who = context.principal.email or context.principal.id
    return await request_cancel(context.service(Jobs), document["_id"], who=who, keep=request.keep)


async def show_log(context: RequestContext, /) -> Response:
    """Answer the log of a job's backup or restore as plain text."""
    job = await context.get(COLLECTION, context.path_params["id"])
    kept = await context.store.collection(LOGS).get(job["_id"])
    if kept is None:
        message = f'Job "{job["name"]}" has no log: it has not ended, or its log could not be read. Its activity and message say more.'
        raise NotFoundError(message)
    head = "[the beginning was cut off]\n" if kept.get("is_cut") else ""
    return PlainTextResponse(head + kept["log"])
