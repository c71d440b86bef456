"""A million jobs and what they belong to, the same on every run: stored past the API, which would take hours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import orjson
from cloudcasa_server.kit.store import Document, Store
from cloudcasa_server.kit.store.mongo import MongoStore
from cloudcasa_server.kit.store.sqlite import SqliteStore

CLUSTERS = 50
BACKUPS = 500
RESTORES = 5_000
POINTS_SHARE = 10
"""Of so many jobs one has left a recovery point that is still there."""
START = 1_700_000_000
_TYPES = ("K8S_SNAP", "K8S_COPY", "K8S_COPY", "K8S_SNAP", "RESTORE", "DELETE_BACKUP", "K8S_COPY", "AGENT_UPDATE")
_STATES = ("COMPLETED",) * 17 + ("PARTIAL", "FAILED", "SKIPPED")
_CHUNK = 5_000


def document_id(kind: int, number: int) -> str:
    """Return the id of the nth document of a kind."""
    return f"{kind:02x}{number:022x}"


def clusters() -> Iterator[Document]:
    """Return the clusters."""
    for number in range(CLUSTERS):
        status = {"state": "PENDING", "message": "", "kubeAgentManagerVersion": "0.0", "dormant": False, "num_recovery_points": 0}
        agent = {"credentials": {}, "engine": {}, "last_seen": None, "manifest_token": f"{number:064x}"}
        yield _document(1, number) | {"name": f"cluster-{number}", "status": status, "agent": agent}


def backups() -> Iterator[Document]:
    """Return the backup definitions, ten for each cluster."""
    for number in range(BACKUPS):
        jobs = [{"jobid": document_id(3, number + BACKUPS * back), "state": "COMPLETED", "message": ""} for back in range(3)]
        yield _document(2, number) | {
            "name": f"backup-{number}",
            "cluster": document_id(1, number % CLUSTERS),
            "trigger_type": "SCHEDULED",
            "pause": False,
            "source": {"all_namespaces": False, "namespaces": [f"ns-{number}"], "snapshotPersistentVolumes": True},
            "status": {"jobs": jobs, "last_job_run_time": START + number},
        }


def jobs(count: int) -> Iterator[Document]:
    """Return the jobs, one each minute, going round the backup definitions."""
    for number in range(count):
        kind, state = _TYPES[number % len(_TYPES)], _STATES[number % len(_STATES)]
        backup = number % BACKUPS
        started = START + 60 * number
        yield _document(3, number) | {
            "name": f"cluster-{backup % CLUSTERS}-{started}",
            "type": kind,
            "display_type": kind,
            "display_name": f"backup-{backup}",
            "state": state,
            "message": "Backup completed",
            "start_time": started,
            "end_time": started + 45,
            "activity": ["Preparing", "Backing up 120 objects", "Copying 3 volumes", "Cataloguing", "Backup completed"],
            "cluster": document_id(1, backup % CLUSTERS),
            "cluster_name": f"cluster-{backup % CLUSTERS}",
            "backupdef": document_id(2, backup),
            "backupdef_name": f"backup-{backup}",
            **({"restoredef": document_id(4, number % RESTORES)} if kind == "RESTORE" else {}),
            "retention": {"retainDays": 7},
            "num_total_resources": 120,
            "num_backup_resources": 120,
            "kube_copy_progress": {"stats": {"estimated_size": 10**9, "io_size": 10**9}, "total_pvs": 3, "completed_pvs": 3},
            "script": {"step": "done", "is_open": False, "due_at": 0.0, "wakes": 1, "lease": {"owner": "", "until": 0.0}, "data": {}},
        }


def restores() -> Iterator[Document]:
    """Return the restore definitions."""
    for number in range(RESTORES):
        cluster = document_id(1, number % CLUSTERS)
        yield _document(4, number) | {
            "name": f"restore-{number}",
            "cluster": cluster,
            "source_cluster": cluster,
            "backup_inst": document_id(5, number),
            "selection": {"all_namespaces": True},
            "status": {"state": "JOB_CREATED", "last_job_run_time": START + number},
        }


def points(count: int) -> Iterator[Document]:
    """Return the recovery points."""
    for number in range(count // POINTS_SHARE):
        backup = number % BACKUPS
        yield _document(5, number) | {
            "name": f"backupinst-{number}",
            "state": "DELETING" if number % 50 == 0 else "READY",
            "type": "COPY",
            "cluster": document_id(1, backup % CLUSTERS),
            "cluster_name": f"cluster-{backup % CLUSTERS}",
            "backupdef": document_id(2, backup),
            "backupdef_name": f"backup-{backup}",
            "objectstore": document_id(6, 0),
            "backup_job_id": document_id(3, number * POINTS_SHARE),
            "start_time": START + 600 * number,
            "retention": {"retainDays": 7},
            "backup_location": {"bucket_name": "b", "prefix": "p", "backup_location_info": "S3 b"},
            "pv_count": 3,
            "total_copy_data": 10**9,
            "status": {"locked": False},
            "sweep": {"at": 4e9},
        }


def _document(kind: int, number: int) -> Document:
    return {"_id": document_id(kind, number), "_created": START + number, "_updated": START + number, "_etag": f"{number:040x}"}


def collections(count: int) -> dict[str, Iterator[Document]]:
    """Return all documents by collection."""
    return {
        "kubeclusters": clusters(),
        "kubebackups": backups(),
        "kuberestores": restores(),
        "backupinstances": points(count),
        "jobs": jobs(count),
    }


async def fill(store: Store, documents: Iterable[Document], name: str) -> None:
    """Store documents in bulk."""
    remaining = iter(documents)
    while chunk := list(islice(remaining, _CHUNK)):
        if isinstance(store, SqliteStore):
            await _fill_sqlite(store, chunk, f'"c_{name}"')
        elif isinstance(store, MongoStore):
            await store._database[name].insert_many(chunk, ordered=False)


async def _fill_sqlite(store: SqliteStore, chunk: Sequence[Document], table: str) -> None:
    def insert(connection: Any) -> None:
        connection.make_table(table)
        rows = [(one["_id"], orjson.dumps(one).decode()) for one in chunk]
        connection.sql.executemany(f"INSERT INTO {table} (id, body) VALUES (?, ?)", rows)

    await store.write(insert)
