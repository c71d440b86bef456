# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The body of the module cluster_info.

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from .._api import Document
from .._argspec import ArgumentSpec, auth_spec
from .._documents import represent
from .._resources import CloudCasa


def argument_spec() -> ArgumentSpec:
    """Return the options of the module."""
    return {**auth_spec(), "name": {"type": "str"}, "state": {"type": "str", "choices": ["REGISTERED", "ACTIVE", "PENDING"]}}


def run(module: AnsibleModule, cloud: CloudCasa) -> Document:
    """Return the clusters that the options select."""
    name, state = module.params["name"], module.params["state"]
    if name:
        one = cloud.clusters.find(name)
        found = [one] if one else []
    else:
        found = cloud.clusters.list(sort="name")
    clusters = [represent(cluster) for cluster in found]
    if state:
        clusters = [cluster for cluster in clusters if (cluster.get("status") or {}).get("state") == state]
    return {"changed": False, "clusters": clusters}
