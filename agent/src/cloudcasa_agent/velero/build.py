"""Commands to Velero's objects, in pure functions: what is created can be read here and is compared with golden files.

Every object carries the command's id as a label, and every Backup names its storage location: a queued Backup without one cannot be
deleted (mover.md C). The agent's own namespace is never backed up: it holds the repository password.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from urllib.parse import urlsplit

from cloudcasa_contract.commands import COMMAND_LABEL, RECORD_ANNOTATION, BackupDelete, BackupRun, RestoreRun, Selection, StorageTarget

from cloudcasa_agent.kube import JsonObject, Resource

from .hooks import backup_hooks, restore_hooks
from .resources import (
    BACKUP_NAME_LABEL,
    BACKUP_UID_LABEL,
    BACKUPS,
    BORROWED_LABEL,
    DELETE_REQUESTS,
    DOWNLOAD_REQUESTS,
    RESTORES,
    STORAGE_LOCATIONS,
    STORE_LABEL,
    label_value,
    location_name,
)
from .restore_rules import modifier_rules, modifiers_name, policy_name
from .selectors import label_selector

CREDENTIAL_KEY = "cloud"
REVISION = "cloudcasa.io/store-revision"
"""The annotation of a location and its Secret that says which of the server's changes they show."""


def build_backup(command: BackupRun, *, command_id: str, namespace: str, existing_namespaces: Iterable[str]) -> JsonObject:
    """Return the Backup for a command; of the namespaces that it names, those that exist."""
    selection = command.selection
    spec: JsonObject = {
        "storageLocation": location_name(command.storage),
        "ttl": f"{command.ttl_seconds}s",
        "snapshotVolumes": selection.snapshot_volumes,
        "snapshotMoveData": command.move_data and selection.snapshot_volumes,
        "defaultVolumesToFsBackup": False,
    }
    spec |= _namespaces(selection, namespace=namespace, existing=existing_namespaces)
    spec |= _resources(included=selection.included_resources, excluded=selection.excluded_resources)
    spec |= label_selector(selection.label_selector)
    spec |= backup_hooks(command.hooks)
    if command.csi_snapshot_timeout_seconds is not None:
        spec["csiSnapshotTimeout"] = f"{command.csi_snapshot_timeout_seconds}s"
    backup = _object(BACKUPS, name=command.backup_name, namespace=namespace, command_id=command_id)
    if command.record:
        backup["metadata"]["annotations"] = {RECORD_ANNOTATION: command.record}
    return backup | {"spec": spec}


def build_restore(command: RestoreRun, *, command_id: str, namespace: str) -> JsonObject:
    """Return the Restore for a command, whose names are settled; what exists in the cluster is changed by it only when that was asked for."""
    spec: JsonObject = {
        "backupName": command.backup_name,
        "restorePVs": command.restore_volumes,
        "existingResourcePolicy": "update" if command.existing == "update" else "none",
    }
    if command.namespace_map:
        spec["namespaceMapping"] = dict(command.namespace_map)
    if command.preserve_node_ports:
        spec["preserveNodePorts"] = True
    if command.parallel_downloads:
        spec["uploaderConfig"] = {"parallelFilesDownload": command.parallel_downloads}
    if modifier_rules(command):
        spec["resourceModifier"] = {"kind": "ConfigMap", "name": modifiers_name(command_id)}
    spec |= _chosen_objects(command, command_id=command_id) if command.objects else _chosen(command)
    spec |= restore_hooks(command.hooks)
    return _object(RESTORES, name=command.restore_name, namespace=namespace, command_id=command_id) | {"spec": spec}


def _chosen(command: RestoreRun) -> JsonObject:
    spec: JsonObject = {"includedNamespaces": list(command.namespaces)} if command.namespaces else {}
    return spec | _resources(included=command.included_resources, excluded=()) | label_selector(command.label_selector)


def _chosen_objects(command: RestoreRun, *, command_id: str) -> JsonObject:
    """Return the choice of single objects, of namespaces or of the whole cluster; the filters of the second hold for listed kinds only."""
    spec: JsonObject = {"resourcePolicy": {"kind": "configmap", "name": policy_name(command_id)}}
    namespaces = sorted({item.namespace for item in command.objects if item.namespace})
    if namespaces:
        return spec | {"includedNamespaces": namespaces}
    kinds = sorted({item.kind.lower() for item in command.objects})
    return spec | {"includeClusterResources": True, "includedResources": kinds}


def build_delete_request(command: BackupDelete, *, command_id: str, namespace: str, backup_uid: str) -> JsonObject:
    """Return the DeleteBackupRequest for a command, labelled as Velero's own client does."""
    request = _object(DELETE_REQUESTS, name=f"cc-{command_id}", namespace=namespace, command_id=command_id)
    request["metadata"]["labels"] |= {BACKUP_NAME_LABEL: label_value(command.backup_name), BACKUP_UID_LABEL: backup_uid}
    return request | {"spec": {"backupName": command.backup_name}}


def build_download_request(*, kind: str, target: str, name: str, namespace: str, command_id: str) -> JsonObject:
    """Return a DownloadRequest for one artifact of a backup or restore."""
    request = _object(DOWNLOAD_REQUESTS, name=name, namespace=namespace, command_id=command_id)
    return request | {"spec": {"target": {"kind": kind, "name": target}}}


def build_storage_location(target: StorageTarget, *, namespace: str) -> JsonObject:
    """Return the BackupStorageLocation of a store."""
    name = location_name(target)
    storage: JsonObject = {"bucket": target.bucket, "prefix": target.prefix}
    if target.ca_pem and not target.skip_tls_verification:
        storage["caCert"] = base64.b64encode(target.ca_pem.encode()).decode()
    return {
        "apiVersion": STORAGE_LOCATIONS.api_version,
        "kind": STORAGE_LOCATIONS.kind,
        "metadata": _storage_metadata(target, namespace=namespace),
        "spec": {
            "provider": target.provider,
            "objectStorage": storage,
            "credential": {"name": name, "key": CREDENTIAL_KEY},
            "config": _location_config(target),
            "accessMode": "ReadOnly" if target.read_only else "ReadWrite",
            "validationFrequency": "1m0s",
            **({"backupSyncPeriod": "0s"} if target.read_only else {}),
        },
    }


def build_storage_secret(target: StorageTarget, *, namespace: str) -> JsonObject:
    """Return the Secret with the store's credential, in the form of an AWS credentials file."""
    access_key, secret_key = target.access_key.get_secret_value(), target.secret_key.get_secret_value()
    text = f"[default]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n"
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _storage_metadata(target, namespace=namespace),
        "type": "Opaque",
        "data": {CREDENTIAL_KEY: base64.b64encode(text.encode()).decode()},
    }


def _storage_metadata(target: StorageTarget, *, namespace: str) -> JsonObject:
    labels = {"app.kubernetes.io/managed-by": "cloudcasa", STORE_LABEL: target.objectstore_id}
    labels |= {BORROWED_LABEL: "true"} if target.read_only else {}
    annotations = {REVISION: str(target.revision)}
    return {"name": location_name(target), "namespace": namespace, "labels": labels, "annotations": annotations}


def is_pattern(namespace: str, /) -> bool:
    """Tell whether Velero would expand this name, so that it cannot be looked up."""
    return any(character in namespace for character in "*?[")


def _namespaces(selection: Selection, *, namespace: str, existing: Iterable[str]) -> JsonObject:
    excluded = {namespace, *selection.excluded_namespaces}
    found = set(existing)
    included = [name for name in selection.namespaces if name not in excluded and (name in found or is_pattern(name))]
    if selection.all_namespaces or not selection.namespaces:
        return {"excludedNamespaces": sorted(excluded)}
    return {"includedNamespaces": included, "excludedNamespaces": sorted(excluded)}


def _resources(*, included: tuple[str, ...], excluded: tuple[str, ...]) -> JsonObject:
    spec: JsonObject = {"includedResources": list(included)} if included else {}
    return spec | ({"excludedResources": list(excluded)} if excluded else {})


def _location_config(target: StorageTarget) -> dict[str, str]:
    config = {
        "region": target.region,
        "s3ForcePathStyle": "true" if target.path_style else "false",
        "s3Url": target.endpoint.rstrip("/"),
    }
    if target.skip_tls_verification:
        config["insecureSkipTLSVerify"] = "true"
    host = urlsplit(target.endpoint).hostname or ""
    if target.checksum_algorithm is not None:
        config["checksumAlgorithm"] = target.checksum_algorithm
    elif not host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        config["checksumAlgorithm"] = ""
    if target.server_side_encryption:
        config["serverSideEncryption"] = target.server_side_encryption
    if target.kms_key_id:
        config["kmsKeyId"] = target.kms_key_id
    return config


def _object(resource: Resource, *, name: str, namespace: str, command_id: str) -> JsonObject:
    metadata = {"name": name, "namespace": namespace, "labels": {COMMAND_LABEL: command_id}}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
