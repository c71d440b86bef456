"""The action `import` of object stores. Source: docs/adr/0031."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudcasa_contract.states import JobType

from ..job.model import JobRequest
from ..job.service import Jobs
from ..kit.errors import InvalidError
from ..kit.rest import RequestContext, ShownModel, parse
from ..kit.store import And, Document, eq
from .model import ImportRequest

PERMISSION = "objectstores.import"
EXAMPLE = {"dry_run": True}


class ImportStarted(ShownModel):
    """The answer of the action `import`."""

    job: str
    """The job to follow: its `import_result` says what was found."""


async def start(context: RequestContext, document: Document, body: Mapping[str, Any], /) -> Mapping[str, Any]:
    """Import what lies in an object store: open the job that does it, and answer which."""
    request = parse(body, ImportRequest)
    same = And((eq("script.data.objectstore", document["_id"]), eq("type", JobType.IMPORT.value), eq("script.is_open", True)))
    if running := await context.store.collection("jobs").find(same, limit=1):
        message = f'An import from the object store "{document["name"]}" is running, the job {running[0]["_id"]}. Wait for its end.'
        raise InvalidError(message, issues={"_id": message})
    job = await context.service(Jobs).open(
        JobRequest(
            type=JobType.IMPORT,
            display_name=document["name"],
            cluster_id="",
            cluster_name="",
            fields={"objectstore": document["_id"]},
            data={
                "objectstore": document["_id"],
                "dry_run": request.dry_run,
                "only": sorted({one.lower() for one in request.clusters}),
                "keep_days": request.keep_days,
                "user": context.principal.email,
            },
        )
    )
    return {"job": job["_id"]}
