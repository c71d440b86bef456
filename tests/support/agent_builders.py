"""Commands and raw objects for the agent's tests, with what a test does not care about filled in."""

from __future__ import annotations

from typing import Any

from cloudcasa_contract.commands import BackupDelete, BackupRun, EngineEnsure, EngineImages, RestoreRun, Selection, StorageTarget
from pydantic import SecretStr

Json = dict[str, Any]
IMAGES = EngineImages(
    velero="registry.example.com:5000/velero/velero:v1.18.3", plugin_aws="registry.example.com:5000/velero/plugin_aws:v1.14.3"
)


def a_storage(**changes: Any) -> StorageTarget:
    return StorageTarget.model_validate(
        {
            "objectstore_id": "s1",
            "name": "main",
            "bucket": "backups",
            "prefix": "main/c1",
            "endpoint": "https://s3.example.com",
            "access_key": "PLACEHOLDER-ACCESS-KEY",
            "secret_key": "PLACEHOLDER-SECRET-KEY",
        }
        | changes
    )


def a_backup_command(*, storage: StorageTarget | None = None, move_data: bool = True, **selection: Any) -> BackupRun:
    return BackupRun(
        backup_name="b-1", storage=storage or a_storage(), selection=Selection(**selection), move_data=move_data, ttl_seconds=3600
    )


def a_restore_command(**changes: Any) -> RestoreRun:
    return RestoreRun.model_validate({"restore_name": "r-1", "backup_name": "b-1", "storage": a_storage()} | changes)


def a_delete_command() -> BackupDelete:
    return BackupDelete(backup_name="b-1", storage=a_storage())


def an_ensure_command() -> EngineEnsure:
    return EngineEnsure(images=IMAGES, repository_password=SecretStr("PLACEHOLDER-PASSWORD"))


def a_deployment(*, name: str = "velero", namespace: str = "velero", image: str = "velero/velero:v1.14.0", **labels: str) -> Json:
    container = {"name": "main", "image": image}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"template": {"metadata": {"labels": {}}, "spec": {"containers": [container]}}},
    }


def a_data_upload(*, name: str = "b-1-x", phase: str = "Completed", pvc: str = "data", total: int = 10, **status: Any) -> Json:
    return {
        "metadata": {"name": name},
        "spec": {"sourceNamespace": "app", "sourcePVC": pvc},
        "status": {"phase": phase, "progress": {"totalBytes": total, "bytesDone": total}} | status,
    }
