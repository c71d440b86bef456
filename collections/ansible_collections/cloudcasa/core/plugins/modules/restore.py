#!/usr/bin/python
# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Restore from a recovery point
version_added: 0.1.0
description:
  - Restores from one recovery point, or from the newest one of a backup, and waits for the end.
  - A restore is an event. O(name) makes a task safe to repeat - where a restore of that name has been made, it is not made again, and the
    task ends as that one did.
extends_documentation_fragment:
  - cloudcasa.core._auth
  - cloudcasa.core._wait
  - cloudcasa.core._attributes
  - cloudcasa.core._failure
author:
  - CloudCasa contributors (@cloudcasa)
attributes:
  check_mode:
    support: partial
    details:
      - A restore is an event; check mode says that it would take place, not how it would end.
  diff_mode:
    support: partial
    details:
      - Shows what is asked of the server, not what changes in the cluster.
  idempotent:
    support: partial
    details:
      - Full where O(name) is set. Without it each run is a restore of its own.

options:
  name:
    description:
      - The name of the restore. If it is not given, one is made of the backup's name and the time, and the task restores each time.
    type: str
  recovery_point:
    description:
      - The recovery point, by id or name. One of O(recovery_point) and O(backup) is needed.
    type: str
  backup:
    description:
      - The backup, by name or id, whose newest recovery point that is READY is used.
    type: str
  cluster:
    description:
      - The cluster to restore into, by name or id. The one that the recovery point is of where it is not set.
      - The server refuses another cluster; that is not supported yet.
    type: str
  namespaces:
    description:
      - The namespaces to restore. All that the recovery point holds where it is not set.
    type: list
    elements: str
  label_selector:
    description:
      - Labels that resources must have.
    type: dict
  included_resources:
    description:
      - Kinds of resources to restore. All of them where it is not set.
    type: list
    elements: str
  restore_volumes:
    description:
      - Whether the data of persistent volumes is restored.
    type: bool
    default: true
  namespace_map:
    description:
      - New names of namespaces, by the old ones.
    type: dict
  namespace_prefix:
    description:
      - A text to put before the name of each namespace.
    type: str
  namespace_suffix:
    description:
      - A text to put after the name of each namespace.
    type: str
  storage_class_map:
    description:
      - Storage classes to use, by the ones in the recovery point.
      - The server refuses it; that is not supported yet.
    type: dict
  allow_partial:
    description:
      - Whether a restore counts as good in which something could not be restored.
    type: bool
    default: false
  wait_timeout:
    description:
      - How many seconds to wait for the end. The restore goes on when the time is up, and the failure returns the job as it was last seen.
    type: int
    default: 3600
seealso:
  - module: cloudcasa.core.backup_run
  - module: cloudcasa.core.recovery_point_info
"""

EXAMPLES = r"""
- name: Restore the newest recovery point of a backup
  cloudcasa.core.restore:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    backup: shop

- name: Restore one namespace under another name, once
  cloudcasa.core.restore:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    name: shop-web-inspection
    recovery_point: 65aa00000000000000000091
    namespaces: [web]
    namespace_map:
      web: web-inspection
    wait_timeout: 1800
"""

RETURN = r"""
restore:
  description: The restore as the server has it. Empty in check mode.
  type: dict
  returned: success
  contains:
    id:
      description: The id of the restore.
      type: str
      sample: 65aa00000000000000000071
    name:
      description: The name of the restore.
      type: str
      sample: shop-20260112-092000
    backup_inst:
      description: The recovery point that it is made from.
      type: str
      sample: 65aa00000000000000000091
  sample: {id: 65aa00000000000000000071, name: shop-20260112-092000}
diff:
  description: What differs between before and after, without credentials.
  type: dict
  returned: success
  sample: {before: {name: prod}, after: {name: prod, description: Production}}
job:
  description: The run as the server has it at the end, or as it was last seen where the module did not wait.
  type: dict
  returned: success, and on failure once the run was seen
  contains:
    id:
      description: The id of the job.
      type: str
      sample: 65aa000000000000000000f2
    type:
      description: What the job does.
      type: str
      sample: RESTORE
    state:
      description: How far it is.
      type: str
      sample: COMPLETED
    message:
      description: The server's sentence about the outcome.
      type: str
      sample: Restore successful
    start_time:
      description: When it was opened, in seconds since 1970 UTC.
      type: int
      sample: 1768209600
    end_time:
      description: When it ended, in seconds since 1970 UTC.
      type: int
      sample: 1768209700
    activity:
      description: What happened, line by line.
      type: list
      elements: str
      sample: [Starting restore]
  sample: {id: 65aa000000000000000000f2, type: RESTORE, state: COMPLETED}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cloudcasa.core.plugins.module_utils._module.restore import argument_spec, module_options, run
from ansible_collections.cloudcasa.core.plugins.module_utils._runner import run_body


def main() -> None:
    """Run the module."""
    run_body(AnsibleModule(argument_spec=argument_spec(), **module_options(), supports_check_mode=True), run)


if __name__ == "__main__":
    main()
