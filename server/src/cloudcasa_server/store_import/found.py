"""What a backup in a bucket is worth: the fields of its recovery point, or why there is none. Pure.

READY is what a restore can be made from, as far as the bucket tells: Velero finished, the contents are there, and so are the repositories
of all volumes that were copied. Everything here was written by whoever may write to the bucket, so none of it is believed unread.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

import orjson
from cloudcasa_contract.commands import AGENT_NAMESPACE, RECORD_ANNOTATION, Artifacts, BackupOutput, VolumeResult
from cloudcasa_contract.states import JobState, JobType
from cloudcasa_contract.velero import backup_counts, read_resources, read_results, read_volumes, run_end, unpack
from pydantic import ValidationError

from ..backup.model import DAY_SECONDS, Source
from ..job.verdict import judge
from ..kit.store import Document
from ..policy.model import MAX_RETAIN_DAYS
from ..recovery_point.record import Record, read_record
from .model import CONTENTS, METADATA, RESOURCES, RESULTS, VOLUMES
from .repository import Fit

T = TypeVar("T")
_OURS = re.compile(r"cc-[0-9a-f]{8}-(?P<job>[0-9a-f]{24})")
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|m|s)")
_LARGEST = 2**60
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_ARTIFACTS = {RESULTS: "BackupResults", VOLUMES: "BackupVolumeInfos", RESOURCES: "BackupResourceList"}
_UNREADABLE = (ValueError, TypeError, AttributeError, KeyError, RecursionError, OverflowError, zlib.error)


class Worth(StrEnum):
    """What becomes of a backup."""

    READY = "ready"
    INCOMPLETE = "incomplete"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class Files:
    """What was read of one backup, by ending (model.py); `there` are the endings that exist, `problems` why some could not be read."""

    name: str
    there: frozenset[str]
    content: Mapping[str, bytes]
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What is known of the cluster whose prefix it is."""

    id: str
    name: str
    repositories: frozenset[str] = frozenset()
    """Namespaces with a repository."""
    password: Fit = Fit.UNKNOWN


@dataclass(frozen=True, slots=True)
class Found:
    """A backup, judged. `job` and `output` are what recovery_point.model.build_point takes; None when it is left out."""

    worth: Worth
    text: str = ""
    """What is to be told of it."""
    job: Document | None = None
    output: BackupOutput | None = None
    is_complete: bool = False
    """Everything that was asked for is in it and can be read."""


def job_in(name: str, /) -> str:
    """Return the id of the job that a backup's name holds; empty when it is not a name that we give."""
    match = _OURS.fullmatch(name)
    return match["job"] if match else ""


def record_in(metadata: bytes, /, *, cluster_id: str) -> Record | None:
    """Return what we recorded with a backup, if it is of this cluster."""
    try:
        annotations = orjson.loads(metadata)["metadata"].get("annotations") or {}
        record = read_record(annotations, key=RECORD_ANNOTATION)
    except _UNREADABLE:
        return None
    return record if record and record.cluster.id == cluster_id else None


def look_at(files: Files, /, *, cluster: Cluster) -> Found:
    """Return what a backup is worth."""
    if METADATA not in files.content:
        return Found(Worth.LEFT_OUT, files.problems.get(METADATA) or f"It has no {METADATA}: it was never finished, or is half deleted.")
    try:
        backup = orjson.loads(files.content[METADATA])
        spec, status, name = backup["spec"] or {}, backup.get("status") or {}, backup["metadata"]["name"]
        output = _output(files, status=status)
        job = _job(files, backup, spec=spec, output=output, cluster=cluster)
    except _UNREADABLE as error:
        return Found(Worth.LEFT_OUT, f"Its {METADATA} was not understood ({type(error).__name__}).")
    if name != files.name:
        return Found(Worth.LEFT_OUT, f'Its {METADATA} is of another backup, "{str(name)[:80]}".')
    if job is None:
        return Found(Worth.LEFT_OUT, "It was not made by this product: a Velero restores it.")
    is_copy = job["type"] == JobType.K8S_COPY.value
    verdict = judge(output, needs_data=is_copy, needs_volumes=spec.get("snapshotVolumes") is not False)
    if not verdict.is_usable:
        return Found(Worth.LEFT_OUT, verdict.message)
    missing = list(_missing(files, output, cluster=cluster))
    notes = [f"{verdict.message.rstrip('.')}.", *missing, *_notes(output, cluster=cluster)]
    is_complete = verdict.state is JobState.COMPLETED and not missing
    return Found(Worth.INCOMPLETE if missing else Worth.READY, " ".join(notes), job, output, is_complete)


def _output(files: Files, *, status: Mapping[str, Any]) -> BackupOutput:
    failures: dict[str, str] = {}
    errors, warnings = _parsed(files, RESULTS, failures, read_results) or ((), ())
    artifacts = Artifacts(
        errors=errors,
        warnings=warnings,
        volumes=_parsed(files, VOLUMES, failures, read_volumes) or (),
        resources=_parsed(files, RESOURCES, failures, read_resources) or {},
        missing=tuple(f"{_ARTIFACTS[ending]}: {why}" for ending, why in failures.items()),
    )
    output = BackupOutput(phase=str(status.get("phase") or "New"), **run_end(status), **backup_counts(status), artifacts=artifacts)
    if max(output.total_items, output.items_backed_up, output.errors, sum(each.size_bytes for each in artifacts.volumes)) > _LARGEST:
        text = "larger than anything there is"
        raise ValueError(text)
    return output


def _parsed(files: Files, ending: str, failures: dict[str, str], read: Callable[[Any], T]) -> T | None:
    if ending not in files.content:
        failures[ending] = files.problems.get(ending) or "It is not there."
        return None
    try:
        return read(orjson.loads(unpack(files.content[ending])))
    except _UNREADABLE as error:
        failures[ending] = f"It was not understood ({type(error).__name__})."
        return None


def _job(files: Files, backup: Mapping[str, Any], *, spec: Mapping[str, Any], output: BackupOutput, cluster: Cluster) -> Document | None:
    """Return the job that made a backup, as far as it is recorded or follows from the backup; None when no job of ours did."""
    record = record_in(files.content[METADATA], cluster_id=cluster.id)
    began = int(output.started_at.timestamp()) if output.started_at else 0
    job_id = record.job if record else job_in(files.name)
    if not job_id or not (record or began > 0):
        return None
    script = {"data": {"backup_name": files.name, "source": _source(record, spec)}}
    common = {"_id": job_id, "cluster": cluster.id, "cluster_name": cluster.name, "script": script}
    if record is None:
        kind = JobType.K8S_COPY if spec.get("snapshotMoveData") else JobType.K8S_SNAP
        retention = {"retainDays": _days(str(spec.get("ttl") or "")), "numAlwaysRetain": 0}
        unknown = {"backupdef": None, "backupdef_name": f"backup {backup['metadata']['name']}"}
        return common | unknown | {"type": kind.value, "start_time": began, "retention": retention}
    copy = {"offloaddef": record.offloaddef.id, "offloaddef_name": record.offloaddef.name} if record.offloaddef else {}
    return {
        **common,
        **copy,
        "type": record.type.value,
        "start_time": record.start_time,
        "retention": record.retention.model_dump(exclude_none=True),
        "backupdef": record.backupdef.id,
        "backupdef_name": record.backupdef.name,
    }


def _source(record: Record | None, spec: Mapping[str, Any]) -> Document:
    """Return the selection as it was recorded, else as Velero was told."""
    if record and record.source is not None:
        try:
            Source.model_validate(record.source)
        except ValidationError:
            pass
        else:
            return record.source
    named = [str(name) for name in spec.get("includedNamespaces") or () if name != "*"]
    return {
        "all_namespaces": not named,
        "namespaces": named,
        "excluded_namespaces": [str(name) for name in spec.get("excludedNamespaces") or () if name != AGENT_NAMESPACE],
        "included_resources": [str(name) for name in spec.get("includedResources") or ()],
        "excluded_resources": [str(name) for name in spec.get("excludedResources") or ()],
        "snapshotPersistentVolumes": spec.get("snapshotVolumes") is not False,
    }


def _days(ttl: str) -> int:
    """Return the retention that a ttl was made of before there were records: a day less."""
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(ttl))
    return min(max(1, int(seconds // DAY_SECONDS) - 1), MAX_RETAIN_DAYS)


def _copied(output: BackupOutput) -> list[VolumeResult]:
    """Return the volumes whose data lies in a repository."""
    volumes = (volume for volume in output.artifacts.volumes if volume.succeeded and not volume.skipped_reason)
    return [volume for volume in volumes if volume.is_data_moved or volume.method == "PodVolumeBackup"]


def _missing(files: Files, output: BackupOutput, *, cluster: Cluster) -> Iterator[str]:
    """Yield what a restore needs and does not find."""
    if CONTENTS not in files.there:
        yield "It cannot be restored: the file with its objects is missing in the store."
    if any(text.startswith(_ARTIFACTS[VOLUMES]) for text in output.artifacts.missing):
        yield "It cannot be restored: which volumes it holds could not be read."
    copied = _copied(output)
    lost = sorted({volume.namespace for volume in copied} - cluster.repositories)
    if lost:
        yield f"It cannot be restored: the data of volumes in {', '.join(lost)} is missing in the store."
    if copied and not lost and cluster.password is Fit.WRONG:
        yield "Its volumes cannot be read: they are encrypted with another repository password than this server's. Set that one and import again."


def _notes(output: BackupOutput, *, cluster: Cluster) -> Iterator[str]:
    """Yield what could not be seen in the store."""
    snapshots = [volume for volume in output.artifacts.volumes if volume.succeeded and volume not in _copied(output)]
    if snapshots:
        yield "Its volumes are snapshots in the storage of their cluster, which could not be checked: they are gone if that storage is."
    if _copied(output) and cluster.password is Fit.UNKNOWN:
        yield "Whether this server has the right repository password could not be checked."
