#!/usr/bin/python
# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: object_store
short_description: Register an object store with a CloudCasa server
version_added: 0.1.0
description:
  - Registers an S3-compatible bucket that backups are copied to, changes it, or removes it.
  - The server tries the bucket with the credentials before it accepts a store, so a wrong endpoint, bucket or key fails here.
extends_documentation_fragment:
  - cloudcasa.core._auth
  - cloudcasa.core._state
  - cloudcasa.core._attributes
  - cloudcasa.core._attributes.state_module
  - cloudcasa.core._failure
author:
  - CloudCasa contributors (@cloudcasa)

attributes:
  idempotent:
    support: partial
    details:
      - The server never returns credentials, so they cannot be compared. With O(update_credentials=on_create) they are sent only when the
        store is made, and a changed key is not noticed. With O(update_credentials=always) they are sent each time, and the task always
        reports a change.
options:
  name:
    description:
      - The name of the object store. An existing one may also be named by its id.
    type: str
    required: true
  bucket:
    description:
      - The bucket. It must be there. Needed when the store is made.
    type: str
  endpoint:
    description:
      - The address of the S3 service, for instance V(https://minio.example.com:9000). Needed when the store is made.
    type: str
  region:
    description:
      - The region of the bucket.
    type: str
  prefix:
    description:
      - A path inside the bucket that everything is kept below.
    type: str
  access_key:
    description:
      - The access key. It belongs together with O(secret_key).
    type: str
  secret_key:
    description:
      - The secret key. It is never logged, returned or shown in a diff.
    type: str
  update_credentials:
    description:
      - When to send O(access_key) and O(secret_key). The server never returns them, so there is nothing to compare them with.
      - V(on_create) sends them when the store is made.
      - V(always) sends them each time, and each time reports a change; use it for the run that brings a new key.
    type: str
    choices: [always, on_create]
    default: on_create
  skip_tls_verification:
    description:
      - Whether a certificate of the S3 service that cannot be verified is accepted.
    type: bool
  private:
    description:
      - Whether the store can be reached only from inside a cluster. Needs O(proxy_cluster).
      - The server refuses V(true); that is not supported yet.
    type: bool
  proxy_cluster:
    description:
      - The cluster, by name or id, whose agent reaches a private store.
    type: str
  tags:
    description:
      - Keys and values of your own. They replace the ones that are there.
    type: dict
  description:
    description:
      - What it is for.
    type: str
  ca_pem:
    description:
      - The certificate authority of the S3 service, as PEM text, where no public one signed its certificate.
    type: str
"""

EXAMPLES = r"""
- name: Register a bucket
  cloudcasa.core.object_store:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    name: minio-lab
    bucket: lab-backups
    endpoint: https://minio.example.com:9000
    region: us-east-1
    access_key: "{{ s3_access_key }}"
    secret_key: "{{ s3_secret_key }}"

- name: Bring a new key to the server
  cloudcasa.core.object_store:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    name: minio-lab
    access_key: "{{ s3_access_key }}"
    secret_key: "{{ s3_secret_key }}"
    update_credentials: always

- name: Remove an object store
  cloudcasa.core.object_store:
    api_url: https://cloudcasa.example.com
    api_key: "{{ cloudcasa_api_key }}"
    name: minio-lab
    state: absent
"""

RETURN = r"""
object_store:
  description: The object store as the server has it; in check mode as it would be. Empty with O(state=absent).
  type: dict
  returned: success
  contains:
    id:
      description: The id of the object store.
      type: str
      sample: 65aa00000000000000000001
    name:
      description: The name of the object store.
      type: str
      sample: minio-lab
    bucket_name:
      description: The bucket.
      type: str
      sample: lab-backups
    validate_state:
      description: Whether the store has been tried.
      type: str
      sample: READY
  sample: {id: 65aa00000000000000000001, name: minio-lab, bucket_name: lab-backups, validate_state: READY}

diff:
  description: What differs between before and after, without credentials.
  type: dict
  returned: success
  sample: {before: {name: prod}, after: {name: prod, description: Production}}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cloudcasa.core.plugins.module_utils._module.object_store import argument_spec, module_options, run
from ansible_collections.cloudcasa.core.plugins.module_utils._runner import run_body


def main() -> None:
    """Run the module."""
    run_body(AnsibleModule(argument_spec=argument_spec(), **module_options(), supports_check_mode=True), run)


if __name__ == "__main__":
    main()
