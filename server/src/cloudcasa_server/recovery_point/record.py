"""What of a recovery point lies in the bucket with its backup, so that a server which has lost everything else can make it again. Pure.

It travels as an annotation of Velero's Backup, which Velero itself writes to `velero-backup.json`: nothing of ours lies inside a
BackupStorageLocation's prefix (docs/adr/0031). Whoever may write to the bucket may have written it, so it is judged when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from cloudcasa_contract.states import JobType
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..kit.rest import Name
from ..kit.store import Document

MAX_CHARACTERS = 100_000
"""Kubernetes takes 256 KiB of annotations for each object."""
_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]
_Instant = Annotated[int, Field(gt=0, lt=2**40)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Named(_Model):
    """A document by id and name."""

    id: _Id
    name: Name


class KeptRetention(_Model):
    """How long it is kept."""

    retainDays: Annotated[int, Field(ge=1, le=36_500)]  # noqa: N815 -- the wire's name
    numAlwaysRetain: Annotated[int, Field(ge=0, le=1_000)] = 0  # noqa: N815
    locked: bool | None = None
    """None: nobody said, which runs by hand do not."""


class Record(_Model):
    """What is kept with a backup."""

    version: int = 1
    cluster: Named
    job: _Id
    type: JobType
    start_time: _Instant
    backupdef: Named
    offloaddef: Named | None = None
    policy_id: _Id | None = None
    retention: KeptRetention
    source: dict[str, Any] | None = None
    """The definition's `source` as it was; None when it was too long to keep."""


def record_of(job: Document, /) -> str:
    """Return the record of a job's backup; empty when the job says too little, as one that an older server opened may."""
    fields: Document = {
        "cluster": {"id": job["cluster"], "name": job["cluster_name"]},
        "job": job["_id"],
        "offloaddef": {"id": job["offloaddef"], "name": job.get("offloaddef_name")} if job.get("offloaddef") else None,
        "backupdef": {"id": job.get("backupdef"), "name": job.get("backupdef_name")},
        "source": job["script"]["data"].get("source"),
        **{key: job.get(key) for key in ("type", "start_time", "policy_id", "retention")},
    }
    try:
        record = Record.model_validate(fields)
    except ValidationError:
        return ""
    text = record.model_dump_json(exclude_none=True)
    return text if len(text) <= MAX_CHARACTERS else record.model_copy(update={"source": None}).model_dump_json(exclude_none=True)


def read_record(annotations: Mapping[str, Any], /, *, key: str) -> Record | None:
    """Return the record among annotations; None when there is none, or none that can be believed."""
    try:
        return Record.model_validate_json(str(annotations.get(key) or ""))
    except ValidationError:
        return None
