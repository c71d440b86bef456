# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# Runs: find the job that an action started, wait for its end, and say how it ended.
# Source: the API description, sections 2.11, 3 and 4.4.

from __future__ import annotations

import typing as t

from ._api import Document
from ._errors import JobError, WaitTimeoutError
from ._resources import CloudCasa
from ._wait import wait_until

FINAL_STATES = frozenset({"COMPLETED", "PARTIAL", "FAILED", "SKIPPED", "CANCELED", "CANCELLED"})
HIDDEN_TYPES = ("DELETE_BACKUP", "AWSRDS_BACKUP_DELETE", "AGENT_UPDATE")
APPEAR_SECONDS = 30
"""How long a job may take to appear after the action was accepted; the server makes it at once."""


def find_new_job(cloud: CloudCasa, *, backup_id: str, after: int) -> Document:
    """Return the job of a backup that was asked for after an instant, not one by schedule, waiting shortly for it to appear."""
    where = {
        "backupdef": backup_id,
        "type": {"$nin": list(HIDDEN_TYPES)},
        "start_time": {"$gt": after},
        "scheduled_time": {"$exists": False},
    }
    jobs, found = wait_until(lambda: cloud.jobs.list(where=where, sort="start_time", limit=1), bool, timeout_seconds=APPEAR_SECONDS)
    if not found:
        text = f"The server accepted the run, but no job of it appeared within {APPEAR_SECONDS} seconds. Look at the server's log."
        raise WaitTimeoutError(text, code="job_missing", details={"backup": backup_id}, url=cloud.jobs.url())
    return jobs[0]


def wait_for_job(cloud: CloudCasa, job_id: str, *, timeout_seconds: int) -> Document:
    """Return a job when it has ended. Raises WaitTimeoutError with the job as it was last seen."""
    job, done = wait_until(lambda: cloud.jobs.get_by_id(job_id), is_final, timeout_seconds=timeout_seconds)
    if not done:
        text = f"{describe(job)} is still {job.get('state')} after {timeout_seconds} seconds{_last_activity(job)}. It goes on; raise wait_timeout."
        raise WaitTimeoutError(text, code="timeout", details=job.get("activity"), url=cloud.jobs.url(), result={"job": job})
    return job


def check_job(cloud: CloudCasa, job: Document, *, allow_partial: bool) -> None:
    """Raise JobError unless the job ended well."""
    state = job.get("state")
    if state == "COMPLETED" or (state == "PARTIAL" and allow_partial):
        return
    reason = str(job.get("message") or "The server gave no reason").rstrip(".")
    hint = " Set allow_partial to accept this." if state == "PARTIAL" else ""
    text = f"{describe(job)} ended as {state}: {reason}.{hint}"
    code = f"job_{str(state).lower()}"
    raise JobError(text, code=code, details=job.get("activity"), url=f"{cloud.jobs.url()}/{job.get('_id')}", result={"job": job})


def is_final(job: Document) -> bool:
    """Tell whether a run has ended."""
    return job.get("state") in FINAL_STATES


def describe(job: Document) -> str:
    """Name a job as its user knows it."""
    kind = "Restore" if job.get("type") == "RESTORE" else "Backup"
    name = job.get("display_name") or job.get("backupdef_name") or job.get("name")
    return f'{kind} "{name}" (job {job.get("_id")})'


def _last_activity(job: Document) -> str:
    activity = t.cast("list[str]", job.get("activity") or [])
    return f' (last: "{activity[-1]}")' if activity else ""
