#!/usr/bin/python
# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_run
short_description: Run a backup once
version_added: 0.1.0
description:
  - Runs a backup that M(cloudcasa.core.backup) defined, waits for its end and returns the recovery point that it made.
  - A run that fails, is skipped or is canceled fails the task with the server's reason. One that was partial does so too, unless
    O(allow_partial=true).
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
      - A run is an event; check mode says that it would take place, not how it would end.
  diff_mode:
    support: none
    details:
      - A run changes nothing that could be compared.
  idempotent:
    support: none
    details:
      - Each time makes a recovery point.

options:
  backup:
    description:
      - The backup, by name or id.
    type: str
    required: true
  retain_days:
    description:
      - For how many days the recovery point is kept.
    type: int
    default: 7
  allow_partial:
    description:
      - Whether a run counts as good in which part of the volumes or resources could not be saved.
    type: bool
    default: false
  wait_timeout:
    description:
      - How many seconds to wait for the end. The run goes on when the time is up, and the failure returns the job as it was last seen.
    type: int
    default: 3600
seealso:
  - module: cloudcasa.core.backup
  - module: cloudcasa.core.restore
"""

EXAMPLES = r"""
- name: Back up now and keep the result for a month
  cloudcasa.core.backup_run:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    backup: shop
    retain_days: 30
    wait_timeout: 1800
  register: run

- name: Start a backup without waiting
  cloudcasa.core.backup_run:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    backup: shop
    wait: false
"""

RETURN = r"""
backup:
  description: The definition that was run.
  type: dict
  returned: success
  sample: {id: 65aa00000000000000000031, name: shop}
recovery_point:
  description: The recovery point that the run made. Empty in check mode and with O(wait=false).
  type: dict
  returned: success
  contains:
    id:
      description: The id of the recovery point.
      type: str
      sample: 65aa00000000000000000091
    state:
      description: Whether it can be restored from.
      type: str
      sample: READY
    expiry_timestamp:
      description: When it expires, in seconds since 1970 UTC.
      type: int
      sample: 1769246500
  sample: {id: 65aa00000000000000000091, state: READY, type: COPY}
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
      sample: K8S_COPY
    state:
      description: How far it is.
      type: str
      sample: COMPLETED
    message:
      description: The server's sentence about the outcome.
      type: str
      sample: Backup successful
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
      sample: [Starting backup]
  sample: {id: 65aa000000000000000000f2, type: K8S_COPY, state: COMPLETED}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cloudcasa.core.plugins.module_utils._module.backup_run import argument_spec, run
from ansible_collections.cloudcasa.core.plugins.module_utils._runner import run_body


def main() -> None:
    """Run the module."""
    run_body(AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True), run)


if __name__ == "__main__":
    main()
