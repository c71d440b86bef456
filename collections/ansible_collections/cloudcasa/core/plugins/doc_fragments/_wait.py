# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.

from __future__ import annotations


class ModuleDocFragment:
    """Waiting for something that takes a while. The default of O(wait_timeout) differs, so each module documents it."""

    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait for the end. With V(false) the module returns as soon as the work has been accepted.
    type: bool
    default: true
"""
