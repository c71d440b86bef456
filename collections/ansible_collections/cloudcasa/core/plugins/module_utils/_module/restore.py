# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The body of the module restore. A restore is an event with a name: the name makes a second run of the same task harmless.

from __future__ import annotations

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._api import Document
from .._argspec import ArgumentSpec, auth_spec, wait_spec
from .._documents import given, reference, represent
from .._errors import CloudCasaError, NotFoundError, WaitTimeoutError
from .._jobs import APPEAR_SECONDS, check_job, wait_for_job
from .._resources import CloudCasa
from .._state import diff_of
from .._wait import wait_until

SELECTION_FIELDS = {
    "namespaces": "namespaces",
    "label_selector": "label_selector",
    "included_resources": "include_resource_types",
    "restore_volumes": "restorePersistentVolumes",
}
FIELDS = {
    "namespace_map": "namespaces_map",
    "namespace_prefix": "namespaces_prefix",
    "namespace_suffix": "namespaces_suffix",
    "storage_class_map": "storage_class_map",
}


def argument_spec() -> ArgumentSpec:
    """Return the options of the module."""
    return {
        **auth_spec(),
        **wait_spec(timeout_seconds=3600),
        "name": {"type": "str"},
        "recovery_point": {"type": "str"},
        "backup": {"type": "str"},
        "cluster": {"type": "str"},
        "namespaces": {"type": "list", "elements": "str"},
        "label_selector": {"type": "dict"},
        "included_resources": {"type": "list", "elements": "str"},
        "restore_volumes": {"type": "bool", "default": True},
        "namespace_map": {"type": "dict"},
        "namespace_prefix": {"type": "str"},
        "namespace_suffix": {"type": "str"},
        "storage_class_map": {"type": "dict"},
        "allow_partial": {"type": "bool", "default": False},
    }


def module_options() -> Document:
    """Return what the module asks of its options beyond their types."""
    return {"required_one_of": [("recovery_point", "backup")], "mutually_exclusive": [("recovery_point", "backup")]}


def run(module: AnsibleModule, cloud: CloudCasa) -> Document:
    """Restore from a recovery point."""
    params = module.params
    have = cloud.restores.find(params["name"]) if params["name"] else None
    if have is not None:
        _refuse_other(params, cloud, have)
        return _finish(params, cloud, have, changed=False, diff=diff_of({}, {}))
    if module.check_mode:
        return {"changed": True, "diff": diff_of({}, {"name": params["name"]}), "restore": {}, "job": {}}
    body = _body(params, cloud, point=_point(params, cloud))
    return _finish(params, cloud, cloud.restores.create(body), changed=True, diff=diff_of({}, body))


def _body(params: t.Mapping[str, t.Any], cloud: CloudCasa, *, point: Document) -> Document:
    stem = point.get("backupdef_name") or point.get("name") or "restore"
    body: Document = {
        "name": params["name"] or f"{stem}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}",
        "backup_inst": point["_id"],
        "selection": {"all_namespaces": params["namespaces"] is None, **given(params, SELECTION_FIELDS)},
        **given(params, FIELDS),
    }
    if params["cluster"]:
        body["cluster"] = reference(cloud.clusters, params["cluster"], check_mode=False)
    return body


def _point(params: t.Mapping[str, t.Any], cloud: CloudCasa) -> Document:
    """Return the recovery point to restore from: the one that is named, or the newest READY one of the backup."""
    if params["recovery_point"]:
        return cloud.recovery_points.get(params["recovery_point"])
    backup = cloud.backups.get(params["backup"])
    where = {"backupdef": backup["_id"], "state": "READY"}
    points = cloud.recovery_points.list(where=where, sort="-start_time", limit=1)
    if not points:
        text = f'Cannot restore from backup "{params["backup"]}": it has no recovery point that is READY. Run it first.'
        raise NotFoundError(text, url=cloud.recovery_points.url())
    return points[0]


def _refuse_other(params: t.Mapping[str, t.Any], cloud: CloudCasa, have: Document) -> None:
    wanted = params["recovery_point"]
    if wanted and have.get("backup_inst") != cloud.recovery_points.get(wanted)["_id"]:
        text = f'There is already a restore "{have["name"]}", of another recovery point ({have.get("backup_inst")}). Give this one another name.'
        raise CloudCasaError(text, code="name_taken", details={"restore": have["_id"]}, url=cloud.restores.url())


def _finish(params: t.Mapping[str, t.Any], cloud: CloudCasa, restore: Document, *, changed: bool, diff: Document) -> Document:
    job: Document = {}
    if params["wait"]:
        restore = _with_job(cloud, restore)
        job = wait_for_job(cloud, str(restore["status"]["jobid"]), timeout_seconds=params["wait_timeout"])
        check_job(cloud, job, allow_partial=params["allow_partial"])
    return {"changed": changed, "diff": diff, "restore": represent(restore), "job": represent(job)}


def _with_job(cloud: CloudCasa, restore: Document) -> Document:
    """Return the restore once it has its job. Raises where the server gave up before there was one."""

    def look() -> Document:
        return restore if _status(restore).get("jobid") else cloud.restores.get_by_id(str(restore["_id"]))

    seen, done = wait_until(look, lambda seen: bool(_status(seen).get("jobid")) or _failed(seen), timeout_seconds=APPEAR_SECONDS)
    status = _status(seen)
    if status.get("jobid"):
        return seen
    reason = status.get("message") or "the server gave no reason"
    if done:
        raise CloudCasaError(f'Restore "{seen["name"]}" was refused: {reason}', code="restore_failed", result={"restore": represent(seen)})
    text = f'Restore "{seen["name"]}" got no job within {APPEAR_SECONDS} seconds. Look at the server\'s log.'
    raise WaitTimeoutError(text, code="job_missing", url=cloud.restores.url(), result={"restore": represent(seen)})


def _status(restore: Document) -> Document:
    return t.cast(Document, restore.get("status") or {})


def _failed(restore: Document) -> bool:
    return _status(restore).get("state") == "FAILED"
