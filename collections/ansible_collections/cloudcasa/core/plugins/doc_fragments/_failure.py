# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.

from __future__ import annotations


class ModuleDocFragment:
    """How failures look, as a note."""

    DOCUMENTATION = r"""
options: {}
notes:
  - A failure returns RV(ignore:failure) with the keys C(code), C(message), C(details) and C(url); C(msg) is the same sentence as C(message).
"""
