# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.

from __future__ import annotations


class ModuleDocFragment:
    """Which server, and as whom."""

    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - The address of the CloudCasa server, for instance V(https://cloudcasa.example.com).
      - If it is not given, the environment variable E(CLOUDCASA_URL) is used.
    type: str
    required: true
  api_key:
    description:
      - An API key of the server.
      - If it is not given, the environment variable E(CLOUDCASA_API_KEY) is used.
    type: str
    required: true
  validate_certs:
    description:
      - Whether the server's certificate must be valid. Prefer O(ca_path) over V(false).
    type: bool
    default: true
  ca_path:
    description:
      - A PEM file with the certificate authority of the server, for a server with a certificate of its own making.
      - If it is not given, the environment variable E(CLOUDCASA_CA_PATH) is used, and then the authorities that the machine trusts.
    type: path
  api_timeout:
    description:
      - How many seconds one request may take.
    type: int
    default: 30
"""
