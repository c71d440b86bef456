"""What a restore asks of the agent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudcasa_contract.commands import RestoreRun

from ..kit.store import Document
from .model import chosen_namespaces, chosen_objects, namespace_map
from .options import RestoreOptions

_FIRST, _SECOND = "restore.run", "restore.run.2"
_NEW_FIELDS = (
    "objects",
    "namespace_prefix",
    "namespace_suffix",
    "storage_class_map",
    "existing",
    "modifiers",
    "preserve_node_ports",
    "parallel_downloads",
)


def scope_payload(restore: Mapping[str, Any], /, *, point: Document) -> dict[str, Any]:
    """Return what is taken and where it goes: of a restore, and of the look ahead at one."""
    selected, options = restore["selection"], RestoreOptions.of(restore)
    namespaces = chosen_namespaces(restore, point=point)
    return {
        "backup_name": point["velero"]["backup_name"],
        "namespaces": [] if chosen_objects(restore) else list(namespaces),
        "included_resources": list(selected.get("include_resource_types") or ()),
        "label_selector": dict(selected.get("label_selector") or {}),
        "objects": [dict(item) for item in chosen_objects(restore)],
        "namespace_map": namespace_map(restore, namespaces=namespaces),
        "namespace_prefix": "" if namespaces else restore.get("namespaces_prefix") or "",
        "namespace_suffix": "" if namespaces else restore.get("namespaces_suffix") or "",
        "storage_class_map": dict(restore.get("storage_class_map") or {}),
        "existing": options.existing_resources,
        "modifiers": options.modifier_rules(),
        "restore_volumes": selected.get("restorePersistentVolumes") is not False,
    }


def restore_payload(restore: Mapping[str, Any], /, *, point: Document, restore_name: str) -> dict[str, Any]:
    """Return the command that restores, without its storage."""
    options = RestoreOptions.of(restore)
    return scope_payload(restore, point=point) | {
        "restore_name": restore_name,
        "preserve_node_ports": bool(options.preserve_node_ports),
        "parallel_downloads": options.pvc_file_parallelism or 0,
    }


def command_kind(payload: Mapping[str, Any], /, *, is_borrowed: bool) -> str:
    """Return the kind of command: what an older agent would leave out or get wrong is of a kind that it refuses."""
    plain = {name: RestoreRun.model_fields[name].get_default(call_default_factory=True) for name in _NEW_FIELDS}
    is_plain = all(not payload.get(name) or payload[name] == default for name, default in plain.items())
    return _FIRST if is_plain and not is_borrowed else _SECOND
