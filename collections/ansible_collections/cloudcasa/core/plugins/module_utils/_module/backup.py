# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The body of the module backup. A definition is two documents on the server: the backup, and, where data is copied to an object
# store, the copy definition (kubeoffloads) that it points to. They are made and removed in the order of the API description, 4.5.

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._api import Document
from .._argspec import ArgumentSpec, auth_spec, state_spec
from .._documents import given, own_name, reference, represent
from .._errors import CloudCasaError
from .._resources import CloudCasa
from .._state import Outcome, diff_of, ensure_absent, ensure_present, same

SOURCE_FIELDS = {
    "all_namespaces": "all_namespaces",
    "namespaces": "namespaces",
    "excluded_namespaces": "excluded_namespaces",
    "included_resources": "included_resources",
    "excluded_resources": "excluded_resources",
    "label_selector": "label_selector",
    "snapshot_volumes": "snapshotPersistentVolumes",
}
FIELDS = {"description": "description", "pause": "pause", "tags": "tags"}
COPY_OPTIONS = ("copy_object_store", "copy_delete_snapshots", "copy_settings")


def argument_spec() -> ArgumentSpec:
    """Return the options of the module."""
    return {
        **auth_spec(),
        **state_spec(),
        "name": {"type": "str", "required": True},
        "cluster": {"type": "str"},
        "namespaces": {"type": "list", "elements": "str"},
        "all_namespaces": {"type": "bool"},
        "excluded_namespaces": {"type": "list", "elements": "str"},
        "included_resources": {"type": "list", "elements": "str"},
        "excluded_resources": {"type": "list", "elements": "str"},
        "label_selector": {"type": "dict"},
        "snapshot_volumes": {"type": "bool"},
        "pause": {"type": "bool"},
        "tags": {"type": "dict"},
        "description": {"type": "str"},
        "copy": {"type": "bool"},
        "copy_object_store": {"type": "str"},
        "copy_delete_snapshots": {"type": "bool"},
        "copy_settings": {"type": "dict"},
    }


def module_options() -> Document:
    """Return what the module asks of its options beyond their types."""
    return {"required_if": [("state", "present", ("cluster",))]}


def run(module: AnsibleModule, cloud: CloudCasa) -> Document:
    """Define, change or remove a backup."""
    have = cloud.backups.find(module.params["name"])
    have_copy = _copy_of(cloud, have)
    if module.params["state"] == "absent":
        return _absent(cloud, have=have, have_copy=have_copy, check_mode=module.check_mode)
    return _present(module, cloud, have=have, have_copy=have_copy)


def _absent(cloud: CloudCasa, *, have: Document | None, have_copy: Document | None, check_mode: bool) -> Document:
    copy = ensure_absent(cloud.offloads, have=have_copy, check_mode=check_mode)
    return _result(ensure_absent(cloud.backups, have=have, check_mode=check_mode), copy)


def _present(module: AnsibleModule, cloud: CloudCasa, *, have: Document | None, have_copy: Document | None) -> Document:
    params, check_mode = module.params, module.check_mode
    wants_copy = _wants_copy(params, has_copy=have_copy is not None)
    cluster_id = reference(cloud.clusters, params["cluster"], check_mode=check_mode)
    _refuse_move(params, have=have, cluster_id=cluster_id)
    wanted = _wanted_backup(params, have=have, cluster_id=cluster_id)
    if have_copy is not None and not wants_copy:
        wanted["copydef"] = None
    wanted_copy = _wanted_copy(params, cloud, have=have_copy, backup=wanted, check_mode=check_mode) if wants_copy else {}
    backup = ensure_present(cloud.backups, have=have, wanted=wanted, check_mode=check_mode)
    if not wants_copy:
        return _result(backup, ensure_absent(cloud.offloads, have=have_copy, check_mode=check_mode))
    if have_copy is not None or check_mode:
        return _result(backup, ensure_present(cloud.offloads, have=have_copy, wanted=wanted_copy, check_mode=check_mode))
    return _result(*_add_copy(cloud, was_new=have is None, backup=backup, wanted_copy=wanted_copy))


def _add_copy(cloud: CloudCasa, *, was_new: bool, backup: Outcome, wanted_copy: Document) -> tuple[Outcome, Outcome]:
    """Make the copy definition and point the backup at it; leave nothing half-made where the server refuses."""
    document = t.cast(Document, backup.document)
    try:
        body = {**wanted_copy, "backupdef": document["_id"]}
        copy = ensure_present(cloud.offloads, have=None, wanted=body, check_mode=False)
        copy_id = t.cast(Document, copy.document)["_id"]
        linked = ensure_present(cloud.backups, have=document, wanted={"copydef": copy_id, "policy": None}, check_mode=False)
    except CloudCasaError:
        if was_new:
            cloud.backups.delete(document)
        raise
    return Outcome(changed=True, document=linked.document, diff={"before": backup.diff["before"], "after": linked.diff["after"]}), copy


def _wanted_backup(params: t.Mapping[str, t.Any], *, have: Document | None, cluster_id: str) -> Document:
    wanted = {"name": own_name(have, params["name"]), "cluster": cluster_id, **given(params, FIELDS)}
    if have is None:
        wanted["trigger_type"] = "ADHOC"
    source = dict((have or {}).get("source") or {})
    source.setdefault("snapshotPersistentVolumes", True)
    source.update(given(params, SOURCE_FIELDS))
    if params["all_namespaces"]:
        source.pop("namespaces", None)
    elif params["namespaces"] is not None:
        source["all_namespaces"] = False
    if not source.get("all_namespaces") and not source.get("namespaces"):
        text = f'Cannot define backup "{params["name"]}": it selects nothing. Give namespaces, or set all_namespaces.'
        raise CloudCasaError(text, code="nothing_selected")
    wanted["source"] = source
    return wanted


def _wanted_copy(params: t.Mapping[str, t.Any], cloud: CloudCasa, *, have: Document | None, backup: Document, check_mode: bool) -> Document:
    wanted: Document = {"name": backup["name"], **given(params, {"copy_delete_snapshots": "delete_snapshots", "copy_settings": "options"})}
    if have is None:
        wanted.update(cluster=backup["cluster"], trigger_type=backup.get("trigger_type", "ADHOC"), run_backup=True, offload_provider={})
    store = params["copy_object_store"]
    if store == "":
        wanted["offload_provider"] = {}
    elif store is not None:
        wanted["offload_provider"] = {"user_objectstore": reference(cloud.object_stores, store, check_mode=check_mode)}
    return wanted


def _wants_copy(params: t.Mapping[str, t.Any], *, has_copy: bool) -> bool:
    details = [name for name in COPY_OPTIONS if params[name] is not None]
    if params["copy"] is False and details:
        text = f'Backup "{params["name"]}" has copy: false, but also {", ".join(details)}. Take one of them away.'
        raise CloudCasaError(text, code="contradiction", details=details)
    return bool(params["copy"]) if params["copy"] is not None else has_copy or bool(details)


def _refuse_move(params: t.Mapping[str, t.Any], *, have: Document | None, cluster_id: str) -> None:
    if have is not None and not same(have.get("cluster"), cluster_id):
        text = f'Cannot move backup "{params["name"]}" to cluster "{params["cluster"]}": a backup stays on its cluster. Define another one.'
        raise CloudCasaError(text, code="cluster_is_fixed", details={"cluster": have.get("cluster")})


def _copy_of(cloud: CloudCasa, backup: Document | None) -> Document | None:
    copy_id = (backup or {}).get("copydef")
    return cloud.offloads.find_by_id(str(copy_id)) if copy_id else None


def _result(backup: Outcome, copy: Outcome) -> Document:
    before = {"backup": backup.diff["before"], "copy": copy.diff["before"]}
    after = {"backup": backup.diff["after"], "copy": copy.diff["after"]}
    return {
        "changed": backup.changed or copy.changed,
        "diff": diff_of(before, after),
        "backup": represent(backup.document),
        "copy": represent(copy.document),
    }
