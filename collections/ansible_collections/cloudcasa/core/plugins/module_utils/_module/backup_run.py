# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The body of the module backup_run: start one run of a definition, wait for its end, return its recovery point.

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from .._api import Document
from .._argspec import ArgumentSpec, auth_spec, wait_spec
from .._documents import represent
from .._jobs import check_job, find_new_job, wait_for_job
from .._resources import CloudCasa


def argument_spec() -> ArgumentSpec:
    """Return the options of the module."""
    return {
        **auth_spec(),
        **wait_spec(timeout_seconds=3600),
        "backup": {"type": "str", "required": True},
        "retain_days": {"type": "int", "default": 7},
        "allow_partial": {"type": "bool", "default": False},
    }


def run(module: AnsibleModule, cloud: CloudCasa) -> Document:
    """Run a backup once."""
    params = module.params
    if module.check_mode:
        return {"changed": True, "backup": represent(cloud.backups.find(params["backup"])), "job": {}, "recovery_point": {}}
    backup = cloud.backups.get(params["backup"])
    job = _start(cloud, backup, retain_days=params["retain_days"])
    if params["wait"]:
        job = wait_for_job(cloud, str(job["_id"]), timeout_seconds=params["wait_timeout"])
        check_job(cloud, job, allow_partial=params["allow_partial"])
    point = _recovery_point_of(cloud, job) if params["wait"] else None
    return {"changed": True, "backup": represent(backup), "job": represent(job), "recovery_point": represent(point)}


def _start(cloud: CloudCasa, backup: Document, *, retain_days: int) -> Document:
    """Start the copy definition where there is one, else the backup itself, and return the job that this made."""
    body = {"retention": {"retainDays": retain_days}, "runBackup": True}
    copy_id = backup.get("copydef")
    answer = cloud.offloads.run(str(copy_id), body) if copy_id else cloud.backups.run(str(backup["_id"]), body)
    started_before = int((answer.get("status") or {}).get("last_job_run_time") or 0)
    return find_new_job(cloud, backup_id=str(backup["_id"]), after=started_before)


def _recovery_point_of(cloud: CloudCasa, job: Document) -> Document | None:
    """Return the point that a run made; the copy where it made both a copy and a snapshot."""
    named = job.get("offload_backup_inst") or job.get("backup_inst")
    if named:
        return cloud.recovery_points.find_by_id(str(named))
    where = {"$or": [{"backup_job_id": job["_id"]}, {"offload_snapshot_job_id": job["_id"]}]}
    points = cloud.recovery_points.list(where=where, sort="-start_time", limit=10)
    copies = [point for point in points if point.get("type") == "COPY"]
    return next(iter(copies or points), None)
