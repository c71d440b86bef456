"""What clusters have left in a bucket: backups as our agent asks for them and Velero v1.18.3 writes them, and kopia's repositories.

The Backup is the agent's own (`build_backup`) with the record of the server's own (`record_of`); only Velero's part is played here.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cloudcasa_agent.velero.build import build_backup
from cloudcasa_server.backup.model import object_name
from cloudcasa_server.recovery_point.record import record_of
from cloudcasa_server.store_import.repository import derived
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.support.agent_builders import a_backup_command

Json = dict[str, Any]
CLUSTER = "65aa00000000000000000a10"
OTHER_CLUSTER = "65aa00000000000000000b20"
DEFINITION = "65aa00000000000000000031"
START = 1_764_000_000


@dataclass
class StoredBackup:
    """One backup; every part can be made otherwise, or left out by None."""

    number: int = 1
    cluster: str = CLUSTER
    cluster_name: str = "prod-eu"
    phase: str = "Completed"
    type: str = "K8S_COPY"
    source: Json = field(default_factory=lambda: {"namespaces": ["web"], "snapshotPersistentVolumes": True})
    retention: Json = field(default_factory=lambda: {"retainDays": 30, "numAlwaysRetain": 2, "locked": False})
    has_record: bool = True
    is_moved: bool = True
    has_volumes: bool = True
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Of the job."""

    @property
    def job(self) -> Json:
        copy = {"offloaddef": "65aa00000000000000000041", "offloaddef_name": "web copy"} if self.type == "K8S_COPY" else {}
        return {
            "_id": f"65aa{self.number:020x}",
            "cluster": self.cluster,
            "cluster_name": self.cluster_name,
            "type": self.type,
            "start_time": START + self.number,
            "backupdef": DEFINITION,
            "backupdef_name": "web",
            **copy,
            "retention": self.retention,
            "script": {"data": {"source": self.source}},
            **self.fields,
        }

    @property
    def name(self) -> str:
        return object_name(self.job)

    def metadata(self) -> Json:
        command = a_backup_command(namespaces=tuple(self.source.get("namespaces", ())), move_data=self.is_moved)
        command = command.model_copy(update={"backup_name": self.name, "record": record_of(self.job) if self.has_record else ""})
        command = command.model_copy(update={"ttl_seconds": (self.retention["retainDays"] + 1) * 86_400})
        backup = build_backup(command, command_id="c-1", namespace="cloudcasa-io", existing_namespaces=set(command.selection.namespaces))
        status = {
            "phase": self.phase,
            "formatVersion": "1.1.0",
            "startTimestamp": "2025-11-24T16:00:01Z",
            "completionTimestamp": "2025-11-24T16:02:00Z",
            "progress": {"totalItems": 12, "itemsBackedUp": 12},
            "csiVolumeSnapshotsAttempted": 1,
            "csiVolumeSnapshotsCompleted": 1,
        }
        written: Json = json.loads(json.dumps(backup | {"status": status}))
        return written

    def volumes(self) -> list[Json]:
        if not self.has_volumes:
            return []
        moved = {"snapshotDataMovementInfo": {"size": 524_288, "phase": "Completed"}} if self.is_moved else {}
        about = {"pvcName": "data", "pvcNamespace": "web", "backupMethod": "CSISnapshot", "snapshotDataMoved": self.is_moved}
        return [about | {"result": "succeeded", "csiSnapshotInfo": {"size": 524_288}} | moved]

    def files(self) -> dict[str, bytes]:
        """Return the files by their names in the backup's folder."""
        return {
            "velero-backup.json": json.dumps(self.metadata()).encode(),
            f"{self.name}.tar.gz": packed("the objects"),
            f"{self.name}-logs.gz": packed("a log"),
            f"{self.name}-results.gz": packed({"errors": {}, "warnings": {}}),
            f"{self.name}-volumeinfo.json.gz": packed(self.volumes()),
            f"{self.name}-resource-list.json.gz": packed({"v1/Pod": ["web/a", "web/b"]}),
        }


def packed(content: Any) -> bytes:
    return gzip.compress(json.dumps(content).encode())


def a_repository(password: str, *, algorithm: str = "scrypt-65536-8-1") -> bytes:
    """Return kopia.repository as kopia would write it for a password."""
    salt, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
    master = hashlib.scrypt(password.encode(), salt=salt, n=65_536, r=8, p=1, maxmem=80 * 1024 * 1024, dklen=32)
    cipher = AESGCM(derived(master, salt=salt, purpose="AES"))
    sealed = nonce + cipher.encrypt(nonce, b'{"format":{}}', derived(master, salt=salt, purpose="CHECKSUM"))
    about = {"tool": "https://github.com/kopia/kopia", "keyAlgo": algorithm, "encryption": "AES256_GCM"}
    keys = {"uniqueID": base64.b64encode(salt).decode(), "encryptedBlockFormat": base64.b64encode(sealed).decode()}
    return json.dumps(about | keys, indent=2).encode()
