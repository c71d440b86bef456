# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.

from __future__ import annotations


class ModuleDocFragment:
    """What each module says about its own behaviour."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
      - This assumes that nobody else changes the same thing in between.
  action_group:
    description: Use C(group/cloudcasa.core.cloudcasa) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - cloudcasa.core.cloudcasa
"""

    STATE_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - A thing that an earlier task of the same play would make is taken as made.
  diff_mode:
    support: full
    details:
      - Credentials are never shown.
"""

    IDEMPOTENT = r"""
options: {}
attributes:
  idempotent:
    support: full
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This action does not modify state.
  diff_mode:
    support: N/A
    details:
      - This action does not modify state.
  idempotent:
    support: full
    details:
      - This action does not modify state.
"""
