# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.

from __future__ import annotations


class ModuleDocFragment:
    """Things that are there or not."""

    DOCUMENTATION = r"""
options:
  state:
    description:
      - Whether the thing should be there. V(present) makes it, or changes what differs; options that are left out stay as they are.
      - V(absent) removes it.
    type: str
    choices: [present, absent]
    default: present
"""
