#!/usr/bin/python
# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_point_info
short_description: List recovery points
version_added: 0.1.0
description:
  - Returns what can be restored from, newest first.
extends_documentation_fragment:
  - cloudcasa.core._auth
  - cloudcasa.core._attributes
  - cloudcasa.core._attributes.info_module
  - cloudcasa.core._failure
author:
  - CloudCasa contributors (@cloudcasa)

options:
  cluster:
    description:
      - Return only recovery points of that cluster, by name or id.
    type: str
  backup:
    description:
      - Return only recovery points of that backup, by name or id.
    type: str
  state:
    description:
      - Return only recovery points in that state. Only V(READY) ones can be restored from.
    type: str
    choices: [PENDING, READY, DELETING]
  limit:
    description:
      - Return at most so many. All of them where it is not set.
    type: int
"""

EXAMPLES = r"""
- name: Find the newest recovery point of a backup
  cloudcasa.core.recovery_point_info:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    backup: shop
    state: READY
    limit: 1
  register: newest
"""

RETURN = r"""
recovery_points:
  description: The recovery points, newest first.
  type: list
  elements: dict
  returned: success
  sample: [{id: 65aa00000000000000000091, name: backupinst-1768209600, state: READY, type: COPY}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cloudcasa.core.plugins.module_utils._module.recovery_point_info import argument_spec, run
from ansible_collections.cloudcasa.core.plugins.module_utils._runner import run_body


def main() -> None:
    """Run the module."""
    run_body(AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True), run)


if __name__ == "__main__":
    main()
