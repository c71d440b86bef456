#!/usr/bin/python
# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster
short_description: Register a Kubernetes cluster with a CloudCasa server
version_added: 0.1.0
description:
  - Registers a cluster, changes what is registered of it, or removes it.
  - A new cluster is V(REGISTERED). It becomes V(ACTIVE) when its agent runs; M(cloudcasa.core.agent) sees to that.
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
      - The name of the cluster. An existing cluster may also be named by its id.
    type: str
    required: true
  description:
    description:
      - What the cluster is for.
    type: str
  tags:
    description:
      - Keys and values of your own. They replace the ones that are there.
    type: dict
  object_store:
    description:
      - The object store that backups of this cluster go to by default, by name or id.
      - An empty text takes it away, so that the default of the server applies.
    type: str
  container_registry:
    description:
      - A registry that the agent's images are pulled from instead of the default one.
    type: str
  image_pull_secret_name:
    description:
      - The name of a secret in the namespace C(cloudcasa-io) that the agent's images are pulled with.
    type: str
seealso:
  - module: cloudcasa.core.agent
  - module: cloudcasa.core.cluster_info
"""

EXAMPLES = r"""
- name: Register a cluster with a default object store
  cloudcasa.core.cluster:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    name: prod-eu
    description: Production, Frankfurt
    object_store: minio-lab
    tags:
      env: prod
  register: registered

- name: Show where the agent's manifest is
  ansible.builtin.debug:
    msg: "kubectl apply -f {{ registered.agent_url }}"

- name: Remove a cluster
  cloudcasa.core.cluster:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    name: prod-eu
    state: absent
"""

RETURN = r"""
cluster:
  description: The cluster as the server has it; in check mode as it would be. Empty with O(state=absent).
  type: dict
  returned: success
  contains:
    id:
      description: The id of the cluster.
      type: str
      sample: 65aa00000000000000000010
    name:
      description: The name of the cluster.
      type: str
      sample: prod-eu
    status:
      description: The state of the cluster, versions, and the reason where something is wrong.
      type: dict
      sample: {state: ACTIVE, version: v1.34.4}
  sample: {id: 65aa00000000000000000010, name: prod-eu, status: {state: REGISTERED}}
agent_url:
  description: The address of the agent's manifest. Whoever has it can register an agent, so treat it as a secret.
  type: str
  returned: success
  sample: https://cloudcasa.example.com/kubeclusteragents/q1W2e3R4t5Y6u7I8o9P0a1S2d3F4g5H6j7K8l9Z0x1C.yaml

diff:
  description: What differs between before and after, without credentials.
  type: dict
  returned: success
  sample: {before: {name: prod}, after: {name: prod, description: Production}}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cloudcasa.core.plugins.module_utils._module.cluster import argument_spec, run
from ansible_collections.cloudcasa.core.plugins.module_utils._runner import run_body


def main() -> None:
    """Run the module."""
    run_body(AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True), run)


if __name__ == "__main__":
    main()
