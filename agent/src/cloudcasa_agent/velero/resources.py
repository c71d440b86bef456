"""Velero's kinds, labels and names. Source: velero.md 3."""

from __future__ import annotations

import hashlib

from cloudcasa_contract.commands import COMMAND_LABEL, StorageTarget

from cloudcasa_agent.kube.resources import Resource

_LABEL_LENGTH = 63
VELERO_GROUP = "velero.io"
BACKUPS = Resource(VELERO_GROUP, "v1", "backups", "Backup")
RESTORES = Resource(VELERO_GROUP, "v1", "restores", "Restore")
SCHEDULES = Resource(VELERO_GROUP, "v1", "schedules", "Schedule")
STORAGE_LOCATIONS = Resource(VELERO_GROUP, "v1", "backupstoragelocations", "BackupStorageLocation")
BACKUP_REPOSITORIES = Resource(VELERO_GROUP, "v1", "backuprepositories", "BackupRepository")
DELETE_REQUESTS = Resource(VELERO_GROUP, "v1", "deletebackuprequests", "DeleteBackupRequest")
DOWNLOAD_REQUESTS = Resource(VELERO_GROUP, "v1", "downloadrequests", "DownloadRequest")
STATUS_REQUESTS = Resource(VELERO_GROUP, "v1", "serverstatusrequests", "ServerStatusRequest")
POD_VOLUME_BACKUPS = Resource(VELERO_GROUP, "v1", "podvolumebackups", "PodVolumeBackup")
DATA_UPLOADS = Resource(VELERO_GROUP, "v2alpha1", "datauploads", "DataUpload")
DATA_DOWNLOADS = Resource(VELERO_GROUP, "v2alpha1", "datadownloads", "DataDownload")
POD_VOLUME_RESTORES = Resource(VELERO_GROUP, "v1", "podvolumerestores", "PodVolumeRestore")

CRD_NAMES = tuple(
    f"{plural}.{VELERO_GROUP}"
    for plural in (
        "backuprepositories",
        "backups",
        "backupstoragelocations",
        "datadownloads",
        "datauploads",
        "deletebackuprequests",
        "downloadrequests",
        "podvolumebackups",
        "podvolumerestores",
        "restores",
        "schedules",
        "serverstatusrequests",
        "volumesnapshotlocations",
    )
)
"""The 13 definitions that `velero install --crds-only` makes."""

STORE_LABEL = "cloudcasa.io/objectstore"
"""On a location and its Secret: the id of the object store."""
BORROWED_LABEL = "cloudcasa.io/borrowed"
"""On what is on this cluster only while a restore reads another cluster's prefix, and goes after it."""
RULES_LABEL = "cloudcasa.io/restore-rules"
KEPT_LABEL = "cloudcasa.io/kept-result"
STORAGE_LABEL = "velero.io/storage-location"
BACKUP_NAME_LABEL = "velero.io/backup-name"
BACKUP_UID_LABEL = "velero.io/backup-uid"
RESTORE_NAME_LABEL = "velero.io/restore-name"
EXCLUDE_LABEL = "velero.io/exclude-from-backup"
SNAPSHOT_CLASS_LABEL = "velero.io/csi-volumesnapshot-class"
SNAPSHOT_CLASS_DEFAULT = "snapshot.storage.kubernetes.io/is-default-class"


def command_selector(command_id: str, /) -> str:
    """Return the label selector for what was made for a command."""
    return f"{COMMAND_LABEL}={command_id}"


def label_value(name: str, /) -> str:
    """Return what Velero writes into a label for a name: over 63 characters it is cut and closed with a hash.

    Source: velero v1.18.3, pkg/label/label.go GetValidName.
    """
    if len(name) <= _LABEL_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()
    return name[: _LABEL_LENGTH - 6] + digest[:6]


def location_name(target: StorageTarget, /) -> str:
    """Return the name of the BackupStorageLocation for a store; a foreign prefix gets one of its own beside ours."""
    if not target.read_only:
        return f"cc-{target.objectstore_id}"
    digest = hashlib.sha256(f"{target.bucket}/{target.prefix}".encode()).hexdigest()
    return f"cc-{target.objectstore_id}-ro-{digest[:8]}"
