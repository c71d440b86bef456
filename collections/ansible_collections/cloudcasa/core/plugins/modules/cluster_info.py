#!/usr/bin/python
# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: List the clusters of a CloudCasa server
version_added: 0.1.0
description:
  - Returns the clusters that are registered, with their state.
extends_documentation_fragment:
  - cloudcasa.core._auth
  - cloudcasa.core._attributes
  - cloudcasa.core._attributes.info_module
  - cloudcasa.core._failure
author:
  - CloudCasa contributors (@cloudcasa)

options:
  name:
    description:
      - Return only the cluster of that name or id. Nothing of that name is an empty list, not a failure.
    type: str
  state:
    description:
      - Return only clusters in that state.
    type: str
    choices: [REGISTERED, ACTIVE, PENDING]
"""

EXAMPLES = r"""
- name: List the clusters whose agent does not answer
  cloudcasa.core.cluster_info:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    state: PENDING
  register: silent
"""

RETURN = r"""
clusters:
  description: The clusters, by name.
  type: list
  elements: dict
  returned: success
  sample: [{id: 65aa00000000000000000010, name: prod-eu, status: {state: ACTIVE}}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cloudcasa.core.plugins.module_utils._module.cluster_info import argument_spec, run
from ansible_collections.cloudcasa.core.plugins.module_utils._runner import run_body


def main() -> None:
    """Run the module."""
    run_body(AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True), run)


if __name__ == "__main__":
    main()
