#!/usr/bin/python
# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Define a backup of a Kubernetes cluster
version_added: 0.1.0
description:
  - Defines what of a cluster is backed up and whether the data is copied to an object store. M(cloudcasa.core.backup_run) runs it.
  - A backup without a policy runs only when it is asked to. A policy that was assigned elsewhere stays assigned.
  - On the server a backup with O(copy=true) is two documents, which this module makes, changes and removes together.
extends_documentation_fragment:
  - cloudcasa.core._auth
  - cloudcasa.core._state
  - cloudcasa.core._attributes.idempotent
  - cloudcasa.core._attributes
  - cloudcasa.core._attributes.state_module
  - cloudcasa.core._failure
author:
  - CloudCasa contributors (@cloudcasa)

options:
  name:
    description:
      - The name of the backup. An existing one may also be named by its id.
    type: str
    required: true
  cluster:
    description:
      - The cluster, by name or id. Needed with O(state=present). A backup cannot be moved to another cluster.
    type: str
  namespaces:
    description:
      - The namespaces to back up.
    type: list
    elements: str
  all_namespaces:
    description:
      - Whether to back up every namespace, in place of O(namespaces).
    type: bool
  excluded_namespaces:
    description:
      - Namespaces to leave out.
    type: list
    elements: str
  included_resources:
    description:
      - Kinds of resources to back up. All of them where it is not set.
    type: list
    elements: str
  excluded_resources:
    description:
      - Kinds of resources to leave out.
    type: list
    elements: str
  label_selector:
    description:
      - Labels that resources must have. Several keys must all match; a value may be a list of alternatives, separated by commas.
    type: dict
  snapshot_volumes:
    description:
      - Whether persistent volumes are backed up. A new backup does so unless told otherwise.
    type: bool
  pause:
    description:
      - Whether its schedule is suspended. What is due meanwhile is not made up.
    type: bool
  tags:
    description:
      - Keys and values of your own. They replace the ones that are there.
    type: dict
  description:
    description:
      - What it is for.
    type: str
  copy:
    description:
      - Whether the data is copied to an object store, so that it outlives the cluster.
      - If it is not set, an existing backup stays as it is, and a new one is copied where one of the options O(copy_object_store),
        O(copy_delete_snapshots) or O(copy_settings) is set.
    type: bool
  copy_object_store:
    description:
      - The object store to copy to, by name or id. An empty text means the default of the cluster.
    type: str
  copy_delete_snapshots:
    description:
      - Whether the snapshot is dropped once it has been copied.
      - The server keeps it, but it has no effect yet, since the engine drops each snapshot whose data it has copied.
    type: bool
  copy_settings:
    description:
      - Settings of the data movement, for instance C(pvc_parallelism) or C(upload_speed_limit). They replace the ones that are there.
      - The server keeps them, but they have no effect yet.
    type: dict
seealso:
  - module: cloudcasa.core.backup_run
  - module: cloudcasa.core.restore
"""

EXAMPLES = r"""
- name: Back two namespaces up and copy their data to the cluster's object store
  cloudcasa.core.backup:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    name: shop
    cluster: prod-eu
    namespaces: [web, db]
    copy: true

- name: Copy it to another object store from now on
  cloudcasa.core.backup:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    name: shop
    cluster: prod-eu
    namespaces: [web, db]
    copy_object_store: offsite

- name: Remove the definition; its recovery points stay until they expire
  cloudcasa.core.backup:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    name: shop
    state: absent
"""

RETURN = r"""
backup:
  description: The definition as the server has it; in check mode as it would be. Empty with O(state=absent).
  type: dict
  returned: success
  contains:
    id:
      description: The id of the backup.
      type: str
      sample: 65aa00000000000000000031
    name:
      description: The name of the backup.
      type: str
      sample: shop
    cluster:
      description: The id of its cluster.
      type: str
      sample: 65aa00000000000000000010
    copydef:
      description: The id of its copy definition, where there is one.
      type: str
      sample: 65aa00000000000000000041
    source:
      description: What it selects.
      type: dict
      sample: {namespaces: [web, db], snapshotPersistentVolumes: true}
  sample: {id: 65aa00000000000000000031, name: shop}
copy:
  description: The copy definition, where there is one.
  type: dict
  returned: success
  sample: {id: 65aa00000000000000000041, name: shop, backupdef: 65aa00000000000000000031}

diff:
  description: What differs between before and after, without credentials.
  type: dict
  returned: success
  sample: {before: {name: prod}, after: {name: prod, description: Production}}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cloudcasa.core.plugins.module_utils._module.backup import argument_spec, module_options, run
from ansible_collections.cloudcasa.core.plugins.module_utils._runner import run_body


def main() -> None:
    """Run the module."""
    run_body(AnsibleModule(argument_spec=argument_spec(), **module_options(), supports_check_mode=True), run)


if __name__ == "__main__":
    main()
