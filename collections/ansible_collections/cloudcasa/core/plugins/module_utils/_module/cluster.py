# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The body of the module cluster.

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._api import Document
from .._argspec import ArgumentSpec, auth_spec, state_spec
from .._documents import given, own_name, reference, represent
from .._resources import CloudCasa
from .._state import ensure_absent, ensure_present

FIELDS = {
    "description": "description",
    "tags": "tags",
    "container_registry": "container_registry",
    "image_pull_secret_name": "image_pull_secret_name",
}


def argument_spec() -> ArgumentSpec:
    """Return the options of the module."""
    return {
        **auth_spec(),
        **state_spec(),
        "name": {"type": "str", "required": True},
        "description": {"type": "str"},
        "tags": {"type": "dict"},
        "object_store": {"type": "str"},
        "container_registry": {"type": "str"},
        "image_pull_secret_name": {"type": "str", "no_log": False},
    }


def run(module: AnsibleModule, cloud: CloudCasa) -> Document:
    """Register, change or remove a cluster."""
    have = cloud.clusters.find(module.params["name"])
    if module.params["state"] == "absent":
        outcome = ensure_absent(cloud.clusters, have=have, check_mode=module.check_mode)
    else:
        wanted = _wanted(module.params, cloud, have=have, check_mode=module.check_mode)
        outcome = ensure_present(cloud.clusters, have=have, wanted=wanted, check_mode=module.check_mode)
    status = (outcome.document or {}).get("status") or {}
    return {
        "changed": outcome.changed,
        "diff": outcome.diff,
        "cluster": represent(outcome.document),
        "agent_url": status.get("agentURL", ""),
    }


def _wanted(params: t.Mapping[str, t.Any], cloud: CloudCasa, *, have: Document | None, check_mode: bool) -> Document:
    wanted = {"name": own_name(have, params["name"]), **given(params, FIELDS)}
    store = params["object_store"]
    if store == "":
        wanted["backup_provider"] = None
    elif store is not None:
        store_id = reference(cloud.object_stores, store, check_mode=check_mode)
        wanted["backup_provider"] = {**((have or {}).get("backup_provider") or {}), "user_objectstore": store_id}
    return wanted
