#!/usr/bin/python
# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: agent
short_description: Install the CloudCasa agent in a Kubernetes cluster
version_added: 0.1.0
description:
  - Fetches the manifest of a registered cluster as C(kubectl) would, applies it server-side with the field manager
    C(cloudcasa.core.agent), and waits until the cluster is V(ACTIVE).
  - An object counts as changed only where its content differs. Its status does not count, nor does the bootstrap credential, which the
    server renews each time after the agent has used it.
extends_documentation_fragment:
  - cloudcasa.core._auth
  - cloudcasa.core._state
  - cloudcasa.core._wait
  - cloudcasa.core._attributes.idempotent
  - cloudcasa.core._attributes
  - cloudcasa.core._attributes.state_module
  - cloudcasa.core._failure
author:
  - CloudCasa contributors (@cloudcasa)

requirements:
  - The Python package C(kubernetes) on the machine that runs the module.
options:
  state:
    description:
      - V(present) applies the manifest.
      - V(absent) deletes what the manifest holds, which includes the namespace C(cloudcasa-io) with everything in it. Custom resource
        definitions that the agent installed stay, since other software may use them; its cluster role bindings go. The backups stay in
        the object store, and the cluster stays registered.
  cluster:
    description:
      - The cluster, by name or id, as it was registered with M(cloudcasa.core.cluster).
    type: str
    required: true
  kubeconfig:
    description:
      - The kubeconfig file to reach the cluster with.
      - If it is not given, E(K8S_AUTH_KUBECONFIG) and E(KUBECONFIG) are used, and then C(~/.kube/config).
    type: path
  context:
    description:
      - The context of the kubeconfig. If it is not given, E(K8S_AUTH_CONTEXT) and then the current context are used.
    type: str
  wait_timeout:
    description:
      - How many seconds to wait for the cluster to be V(ACTIVE), or with O(state=absent) for the objects to be gone.
      - When the time is up the module fails with the server's reason and with what Kubernetes says about the agent's pods.
    type: int
    default: 300
seealso:
  - module: cloudcasa.core.cluster
"""

EXAMPLES = r"""
- name: Install the agent and wait until the cluster is ACTIVE
  cloudcasa.core.agent:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    cluster: prod-eu
    kubeconfig: /etc/kubernetes/admin.conf
    wait_timeout: 300

- name: Remove the agent
  cloudcasa.core.agent:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    cluster: prod-eu
    kubeconfig: /etc/kubernetes/admin.conf
    state: absent
"""

RETURN = r"""
cluster:
  description: The cluster as the server has it at the end.
  type: dict
  returned: success, and on a timeout
  sample: {id: 65aa00000000000000000010, name: prod-eu, status: {state: ACTIVE}}
objects:
  description: The objects of the manifest, and whether each one changed.
  type: list
  elements: dict
  returned: success
  sample: [{name: Namespace/cloudcasa-io, changed: true}]

diff:
  description: What differs between before and after, without credentials.
  type: dict
  returned: success
  sample: {before: {name: prod}, after: {name: prod, description: Production}}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cloudcasa.core.plugins.module_utils._module.agent import argument_spec, run
from ansible_collections.cloudcasa.core.plugins.module_utils._runner import run_body


def main() -> None:
    """Run the module."""
    run_body(AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True), run)


if __name__ == "__main__":
    main()
