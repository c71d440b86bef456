#!/usr/bin/python
# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: job_info
short_description: List jobs
version_added: 0.1.0
description:
  - Returns runs of backups and restores, newest first.
extends_documentation_fragment:
  - cloudcasa.core._auth
  - cloudcasa.core._attributes
  - cloudcasa.core._attributes.info_module
  - cloudcasa.core._failure
author:
  - CloudCasa contributors (@cloudcasa)

options:
  id:
    description:
      - Return only the job of that id.
    type: str
  cluster:
    description:
      - Return only jobs of that cluster, by name or id.
    type: str
  backup:
    description:
      - Return only jobs of that backup, by name or id.
    type: str
  state:
    description:
      - Return only jobs in that state.
    type: str
    choices: [PENDING, RUNNING, CATALOG, COMPLETED, PARTIAL, FAILED, SKIPPED, CANCELLING, CANCELED]
  type:
    description:
      - Return only jobs that do that.
    type: str
    choices: [K8S_SNAP, K8S_COPY, RESTORE, DELETE_BACKUP]
  limit:
    description:
      - Return at most so many.
    type: int
    default: 100
"""

EXAMPLES = r"""
- name: List the last ten jobs of a cluster that failed
  cloudcasa.core.job_info:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    cluster: prod-eu
    state: FAILED
    limit: 10
  register: failed
"""

RETURN = r"""
jobs:
  description: The jobs, newest first.
  type: list
  elements: dict
  returned: success
  sample: [{id: 65aa000000000000000000f2, type: K8S_COPY, state: COMPLETED, display_name: shop}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cloudcasa.core.plugins.module_utils._module.job_info import argument_spec, run
from ansible_collections.cloudcasa.core.plugins.module_utils._runner import run_body


def main() -> None:
    """Run the module."""
    run_body(AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True), run)


if __name__ == "__main__":
    main()
