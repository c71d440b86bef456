"""The job document and the words of a script. Pure. Source: rest-api.md 2.11, 3; architecture.md, decision 4."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloudcasa_contract.states import JobState, JobType

from ..kit.store import Document, Index
from .reasons import UNEXPLAINED, described

COLLECTION = "jobs"
FIRST_STEP = "preflight"
POLL_SECONDS = 30.0
"""How often a waiting job looks by itself; it is woken when its result arrives."""
ACTIVITY_LIMIT = 200
ACTIVITY_CHARACTERS = 1_000
"""Longest line of an activity: an agent must not make a document grow without end."""


@dataclass(frozen=True, slots=True)
class Goto:
    """The step is done: record `changes`, then go on with `step`."""

    step: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    activity: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until the job is woken."""

    seconds: float = POLL_SECONDS
    changes: Mapping[str, Any] = field(default_factory=dict)
    activity: str = ""
    """A line about the changes."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The job ends."""

    state: JobState
    message: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    """Why it did not end COMPLETED: a slug of reasons.py. Only a job that is COMPLETED has none."""
    remedy: str = ""
    """What to do in particular; empty: what the catalogue says."""


Next = Goto | Wait | Finish
Step = Callable[[Document], Awaitable[Next]]
Script = Mapping[str, Step]
"""Steps by name; the first is FIRST_STEP. A step may run again after a crash, so each is idempotent."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a new job is about. `fields` are the references and names of rest-api.md 2.11, `data` is for the script."""

    type: JobType
    display_name: str
    cluster_id: str
    """Empty: it is of no cluster, and only who sees everything sees it."""
    cluster_name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    namespaces: Sequence[str] = ()
    """The only namespaces that the job touches, which its visibility is judged by; empty: all of the cluster, or not known."""
    job_id: str = ""
    """The id of the job, if what it is about gives it one: then it is opened once, however often it is tried."""
    skip: str = ""
    """Why nothing is done: the job is SKIPPED from the beginning."""
    skip_reason: str = ""
    """The slug of the reason, of reasons.py, when it is skipped."""


def job_fields(request: JobRequest, /, *, start_time: int, now: float) -> Document:
    """Return the fields of a new job that is due at once."""
    fields: Document = {
        "name": f"{request.cluster_name or request.display_name}-{start_time}",
        "type": request.type.value,
        "display_type": request.type.value,
        "display_name": request.display_name,
        "state": JobState.PENDING.value,
        "message": "",
        "start_time": start_time,
        "activity": [],
        **({"cluster": request.cluster_id, "cluster_name": request.cluster_name} if request.cluster_id else {}),
        "touched_namespaces": list(request.namespaces),
        **request.fields,
        "script": {
            "step": FIRST_STEP,
            "is_open": True,
            "due_at": now,
            "wakes": 0,
            "lease": {"owner": "", "until": 0.0},
            "data": dict(request.data),
        },
    }
    if request.skip:
        fields |= final_shown(Finish(JobState.SKIPPED, request.skip, reason=request.skip_reason), now=now) | {"activity": [request.skip]}
        fields["script"] |= {"is_open": False, "is_alert_due": True}
    return fields | ({"_id": request.job_id} if request.job_id else {})


def final_shown(end: Finish, /, *, now: float) -> Document:
    """Return what clients see of a job's end."""
    fields: Document = {"state": end.state.value, "message": end.message, "end_time": int(now)}
    if end.state is JobState.COMPLETED:
        return fields
    return fields | {"reason": described(end.reason or UNEXPLAINED, message=end.message, remedy=end.remedy)}


def step_key(job: Document, step: str, /) -> str:
    """Return the key under which a step's command is enqueued, once."""
    return f"{job['_id']}:{step}"


INDEXES = (
    Index("alert", (("script.is_alert_due", 1),)),
    Index("due", (("script.is_open", 1), ("script.due_at", 1))),
    Index("waits", (("script.waits.on", 1), ("start_time", 1))),
    Index("cluster", (("cluster", 1), ("start_time", -1)), covers=("display_type",)),
    Index("backupdef", (("backupdef", 1), ("start_time", -1)), covers=("type",)),
    Index("start_time", (("start_time", -1),)),
    Index("created", (("_created", -1),)),
    Index("state", (("state", 1), ("type", 1), ("start_time", -1))),
    Index("runs", (("cluster", 1), ("type", 1), ("start_time", -1)), covers=("state",)),
)
