# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The body of the module object_store. Credentials are write-only on the server: they are sent, never compared.

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._api import Document
from .._argspec import ArgumentSpec, auth_spec, state_spec
from .._documents import given, own_name, reference, represent
from .._resources import CloudCasa
from .._state import ensure_absent, ensure_present

FIELDS = {
    "bucket": "bucket_name",
    "region": "region",
    "prefix": "prefix",
    "skip_tls_verification": "skip_tls_certificate_validation",
    "private": "private",
    "tags": "tags",
    "description": "description",
    "ca_pem": "ca_pem",
}


def argument_spec() -> ArgumentSpec:
    """Return the options of the module."""
    return {
        **auth_spec(),
        **state_spec(),
        "name": {"type": "str", "required": True},
        "bucket": {"type": "str"},
        "endpoint": {"type": "str"},
        "region": {"type": "str"},
        "prefix": {"type": "str"},
        "access_key": {"type": "str", "no_log": True},
        "secret_key": {"type": "str", "no_log": True},
        "update_credentials": {"type": "str", "choices": ["always", "on_create"], "default": "on_create", "no_log": False},
        "skip_tls_verification": {"type": "bool"},
        "private": {"type": "bool"},
        "proxy_cluster": {"type": "str"},
        "tags": {"type": "dict"},
        "description": {"type": "str"},
        "ca_pem": {"type": "str"},
    }


def module_options() -> Document:
    """Return what the module asks of its options beyond their types."""
    return {"required_together": [("access_key", "secret_key")], "required_if": [("private", True, ("proxy_cluster",))]}


def run(module: AnsibleModule, cloud: CloudCasa) -> Document:
    """Register, change or remove an object store."""
    params = module.params
    have = cloud.object_stores.find(params["name"])
    if params["state"] == "absent":
        outcome = ensure_absent(cloud.object_stores, have=have, check_mode=module.check_mode)
    else:
        _require(module, have=have)
        sends_credentials = params["access_key"] is not None and (have is None or params["update_credentials"] == "always")
        wanted = _wanted(params, cloud, have=have, sends_credentials=sends_credentials, check_mode=module.check_mode)
        outcome = ensure_present(
            cloud.object_stores, have=have, wanted=wanted, check_mode=module.check_mode, force=sends_credentials and have is not None
        )
    return {"changed": outcome.changed, "diff": outcome.diff, "object_store": represent(outcome.document)}


def _require(module: AnsibleModule, *, have: Document | None) -> None:
    missing = [name for name in ("bucket", "endpoint") if have is None and not module.params[name]]
    if missing:
        message = f'Cannot create object store "{module.params["name"]}": {" and ".join(missing)} must be given.'
        failure = {"code": "missing_options", "message": message, "details": missing, "url": ""}
        module.fail_json(msg=message, failure=failure)


def _wanted(
    params: t.Mapping[str, t.Any], cloud: CloudCasa, *, have: Document | None, sends_credentials: bool, check_mode: bool
) -> Document:
    wanted = {"name": own_name(have, params["name"]), **given(params, FIELDS)}
    if have is None:
        wanted["provider_type"] = "aws"
    provider = dict((have or {}).get("s3provider") or {})
    provider.pop("credentials", None)
    provider.update(given(params, {"endpoint": "endpoint"}))
    if sends_credentials:
        provider["credentials"] = {"access_key": params["access_key"], "secret_key": params["secret_key"]}
    wanted["s3provider"] = provider
    if params["proxy_cluster"]:
        wanted["proxy_cluster_list"] = [reference(cloud.clusters, params["proxy_cluster"], check_mode=check_mode)]
    return wanted
