"""Which alert follows from what happened. Pure. Source: rest-api.md 2.13.

Whoever makes something happen marks it in the same write (`script.is_alert_due` of a job, `agent.alert_at` of a cluster); the sweep turns marks into alerts
(docs/adr/0021-an-alert-is-due-where-it-happened.md).
"""

from __future__ import annotations

from enum import StrEnum

from cloudcasa_contract.states import JobState, JobType

from ..kit.store import Document

COLLECTION = "alerts"
SYSTEM = "systemalerts"
DATA_NOT_FOUND = "backup_not_found"
"""The reason of a job when a backup's data is not where the recovery point says."""
UNTOLD = "is_untold"
"""The mark of an alert that notification/ has not addressed yet: set with the alert, so that none is forgotten."""


class AlertType(StrEnum):
    """What an alert is about."""

    BACKUP_FAILED = "BACKUP_FAILED"
    BACKUP_SKIPPED = "BACKUP_SKIPPED"
    BACKUP_PARTIAL = "BACKUP_PARTIAL"
    BACKUP_DATA_NOT_FOUND = "BACKUP_DATA_NOT_FOUND"
    RESTORE_FAILED = "RESTORE_FAILED"
    RESTORE_SKIPPED = "RESTORE_SKIPPED"
    RESTORE_PARTIAL = "RESTORE_PARTIAL"
    CLUSTER_NOT_RESPONDING = "CLUSTER_NOT_RESPONDING"
    OBJECT_STORE_FAILED = "OBJECT_STORE_FAILED"
    """Our own addition: a store that was READY cannot be used any more."""


_KINDS = {JobType.K8S_SNAP.value: "BACKUP", JobType.K8S_COPY.value: "BACKUP", JobType.RESTORE.value: "RESTORE"}
ALERTING = frozenset({JobState.FAILED, JobState.SKIPPED, JobState.PARTIAL})
"""States in which a job ends badly enough for an alert."""
_ENDS = {state.value: state.value for state in ALERTING}


def of_job(job: Document, /) -> Document | None:
    """Return the fields of the alert about a job that ended, or None when there is nothing to tell."""
    kind, end = _KINDS.get(job["type"]), _ENDS.get(job["state"])
    if kind is None or end is None:
        return None
    is_lost = (job.get("reason") or {}).get("slug") == DATA_NOT_FOUND
    return {
        "event": f"job:{job['_id']}",
        "type": AlertType.BACKUP_DATA_NOT_FOUND.value if is_lost else AlertType(f"{kind}_{end}").value,
        "name": f'{kind.capitalize()} "{job.get("display_name", "")}" on "{job.get("cluster_name", "")}": {end}',
        "description": job.get("message") or f"The job ended {end} and gave no reason.",
        "job": job["_id"],
        "cluster": job.get("cluster", ""),
        "touched_namespaces": job.get("touched_namespaces", []),
    }


def of_cluster(cluster: Document, /) -> Document:
    """Return the fields of the alert about a cluster that is PENDING and stayed so."""
    return {
        "event": f"cluster:{cluster['_id']}:{cluster['status'].get('pendingStateTimestamp', 0)}",
        "type": AlertType.CLUSTER_NOT_RESPONDING.value,
        "name": f'The cluster "{cluster["name"]}" does not respond',
        "description": cluster["status"].get("message") or "Its agent is not heard of.",
        "cluster": cluster["_id"],
        "touched_namespaces": [],
    }


def of_store(store: Document, /) -> Document:
    """Return the fields of the alert about an object store that was READY and failed twice."""
    return {
        "event": f"objectstore:{store['_id']}:{store['check'].get('failed_at', 0)}",
        "type": AlertType.OBJECT_STORE_FAILED.value,
        "name": f'The object store "{store["name"]}" cannot be used',
        "description": store.get("validate_message") or "It was tried out and failed.",
        "touched_namespaces": [],
    }
