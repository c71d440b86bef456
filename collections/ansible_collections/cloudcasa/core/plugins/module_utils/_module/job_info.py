# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The body of the module job_info.

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from .._api import Document
from .._argspec import ArgumentSpec, auth_spec
from .._documents import represent
from .._resources import CloudCasa

STATES = ("PENDING", "RUNNING", "CATALOG", "COMPLETED", "PARTIAL", "FAILED", "SKIPPED", "CANCELLING", "CANCELED")
TYPES = ("K8S_SNAP", "K8S_COPY", "RESTORE", "DELETE_BACKUP")


def argument_spec() -> ArgumentSpec:
    """Return the options of the module."""
    return {
        **auth_spec(),
        "id": {"type": "str"},
        "cluster": {"type": "str"},
        "backup": {"type": "str"},
        "state": {"type": "str", "choices": list(STATES)},
        "type": {"type": "str", "choices": list(TYPES)},
        "limit": {"type": "int", "default": 100},
    }


def run(module: AnsibleModule, cloud: CloudCasa) -> Document:
    """Return the jobs that the options select, newest first."""
    params = module.params
    where: Document = {name: params[option] for option, name in (("state", "state"), ("type", "type")) if params[option]}
    if params["id"]:
        where["_id"] = params["id"]
    if params["cluster"]:
        where["cluster"] = cloud.clusters.get(params["cluster"])["_id"]
    if params["backup"]:
        where["backupdef"] = cloud.backups.get(params["backup"])["_id"]
    jobs = cloud.jobs.list(where=where, sort="-start_time", limit=params["limit"])
    return {"changed": False, "jobs": [represent(job) for job in jobs]}
