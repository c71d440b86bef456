# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The options that modules share. Each block has a documentation fragment of the same name.

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

ArgumentSpec = t.Dict[str, t.Dict[str, t.Any]]


def auth_spec() -> ArgumentSpec:
    """Options that say which server, and as whom (fragment _auth)."""
    return {
        "api_url": {"type": "str", "required": True, "fallback": (env_fallback, ["CLOUDCASA_URL"])},
        "api_key": {"type": "str", "required": True, "no_log": True, "fallback": (env_fallback, ["CLOUDCASA_API_KEY"])},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path", "fallback": (env_fallback, ["CLOUDCASA_CA_PATH"])},
        "api_timeout": {"type": "int", "default": 30},
    }


def state_spec() -> ArgumentSpec:
    """The option of everything that is there or not."""
    return {"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}}


def wait_spec(*, timeout_seconds: int) -> ArgumentSpec:
    """Options of modules that start something that takes a while (fragment _wait)."""
    return {"wait": {"type": "bool", "default": True}, "wait_timeout": {"type": "int", "default": timeout_seconds}}
