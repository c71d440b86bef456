# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The body of the module recovery_point_info.

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from .._api import Document
from .._argspec import ArgumentSpec, auth_spec
from .._documents import represent
from .._resources import CloudCasa


def argument_spec() -> ArgumentSpec:
    """Return the options of the module."""
    return {
        **auth_spec(),
        "cluster": {"type": "str"},
        "backup": {"type": "str"},
        "state": {"type": "str", "choices": ["PENDING", "READY", "DELETING"]},
        "limit": {"type": "int"},
    }


def run(module: AnsibleModule, cloud: CloudCasa) -> Document:
    """Return the recovery points that the options select, newest first."""
    params = module.params
    where: Document = {}
    if params["cluster"]:
        where["cluster"] = cloud.clusters.get(params["cluster"])["_id"]
    if params["backup"]:
        where["backupdef"] = cloud.backups.get(params["backup"])["_id"]
    if params["state"]:
        where["state"] = params["state"]
    points = cloud.recovery_points.list(where=where, sort="-start_time", limit=params["limit"])
    return {"changed": False, "recovery_points": [represent(point) for point in points]}
