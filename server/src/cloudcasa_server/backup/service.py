"""The rules of backup definitions, and opening a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudcasa_contract.states import JobType
from pydantic import ValidationError

from ..cluster.model import PRO
from ..inventory.service import Inventories
from ..job.model import JobRequest
from ..job.service import Jobs
from ..kit.errors import InvalidError
from ..kit.rest import RequestContext
from ..kit.store import Document, Update
from ..policy.timetable import Promise
from .model import RunRequest, named_namespaces


def parse_run(body: Mapping[str, Any], /) -> RunRequest:
    """Return the body of an action `run`. Raises InvalidError."""
    try:
        return RunRequest.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        message = f"Cannot run: {field}: {first['msg']}."
        raise InvalidError(message, issues={field: first["msg"]}) from error


async def check_source(context: RequestContext, document: Document, /) -> None:
    """Refuse a source that names nothing, or a namespace that the cluster does not have now. Raises InvalidError."""
    source = document["source"]
    if not source.get("all_namespaces") and not source.get("namespaces"):
        message = f'The backup "{document["name"]}" selects nothing: set source.all_namespaces or name namespaces in source.namespaces.'
        raise InvalidError(message, issues={"source": {"namespaces": message}})
    if source.get("all_namespaces"):
        return
    cluster = await context.documents("kubeclusters").get(document["cluster"])
    existing = await context.service(Inventories).fresh_namespaces(cluster)
    if existing is None:
        return
    missing = [name for name in source["namespaces"] if name not in existing]
    if missing:
        names = ", ".join(f'"{name}"' for name in missing)
        message = f'The cluster "{cluster["name"]}" has no namespace {names}. Correct source.namespaces.'
        raise InvalidError(message, issues={"source": {"namespaces": message}})


async def check_velero(context: RequestContext, document: Document, /) -> None:
    """Refuse settings of a user's Velero where there is none: they would have no effect. Raises InvalidError."""
    if not document.get("velero"):
        return
    cluster = await context.documents("kubeclusters").find(document["cluster"])
    if cluster is not None and cluster.get("agent_type", PRO) == PRO:
        message = f'The cluster "{cluster["name"]}" is not registered with agent_type VELERO: leave velero of "{document["name"]}" out.'
        raise InvalidError(message, issues={"velero": message})


@dataclass(frozen=True, slots=True)
class Schedule:
    """What makes a run one by schedule."""

    job_id: str
    at: int
    """The instant at which it was due."""
    policy_id: str
    promise: Promise
    note: str = ""


async def open_run(
    jobs: Jobs,
    backup: Document,
    /,
    *,
    cluster: Document | None,
    request: RunRequest | None = None,
    offload: Document | None = None,
    schedule: Schedule | None = None,
) -> Document:
    """Open the job of one run; with an offload it copies the data too."""
    return await jobs.open(_request(backup, cluster=cluster, request=request or RunRequest(), offload=offload, schedule=schedule))


async def open_skipped(
    jobs: Jobs, backup: Document, /, *, cluster: Document | None, offload: Document | None, schedule: Schedule, text: str, reason: str
) -> Document:
    """Open a job that says why a run by schedule was left out; an alert says so too."""
    request = _request(backup, cluster=cluster, request=RunRequest(), offload=offload, schedule=schedule)
    return await jobs.open(replace(request, skip=text, skip_reason=reason))


def as_it_is_now(backup: Document, /, *, offload: Document | None) -> Update:
    """Return what makes a run that has not begun do what its definition says now."""
    request = _request(backup, cluster=None, request=RunRequest(), offload=offload, schedule=None)
    copy = ("offloaddef", "offloaddef_name")
    fields: Document = {
        **{key: request.fields[key] for key in ("backupdef_name", *copy) if key in request.fields},
        "type": request.type.value,
        "display_type": request.type.value,
        "display_name": request.display_name,
        "touched_namespaces": list(request.namespaces),
        "script.data": dict(request.data),
    }
    return Update(set=fields, unset=() if offload else copy)


def _request(
    backup: Document, *, cluster: Document | None, request: RunRequest, offload: Document | None, schedule: Schedule | None
) -> JobRequest:
    fields: dict[str, Any] = {
        "backupdef": backup["_id"],
        "backupdef_name": backup["name"],
        "retention": request.retention_document(),
    }
    if offload is not None:
        fields |= {"offloaddef": offload["_id"], "offloaddef_name": offload["name"]}
    if schedule is not None:
        fields |= {"scheduled_time": schedule.at, "policy_id": schedule.policy_id, "retention": schedule.promise.document()}
        fields |= {"activity": [schedule.note]} if schedule.note else {}
    return JobRequest(
        type=JobType.K8S_COPY if offload else JobType.K8S_SNAP,
        display_name=backup["name"],
        cluster_id=backup["cluster"],
        cluster_name=cluster["name"] if cluster else backup["cluster"],
        fields=fields,
        namespaces=named_namespaces(backup["source"]),
        data={
            "source": backup["source"],
            "offload_provider": (offload or {}).get("offload_provider"),
            **{field: backup[field] for field in ("pre_hooks", "post_hooks") if backup.get(field)},
        },
        job_id=schedule.job_id if schedule else "",
    )
