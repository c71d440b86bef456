"""The list calls of the known clients, as they send them (rest-api.md 4.4, 4.5, 5): held to indexes by a test, timed by the benchmark."""

from __future__ import annotations

from typing import Any

import orjson

Call = tuple[str, dict[str, str]]
"""A resource and the parameters of its list."""


def known_lists(*, cluster: str, backup: str, since: int) -> dict[str, Call]:
    """Return the calls by name, asking about a cluster, and about a backup's jobs after a time."""
    both = [{"cluster": cluster}, {"source_cluster": cluster}]
    ends = [{"backup.cluster": cluster}, {"restore.cluster": cluster}]
    hidden = ["AWSRDS_BACKUP_DELETE", "AZURE_METRICS_UPDATE", "AGENT_UPDATE", "DELETE_BACKUP"]
    return {
        "terraform: jobs of a backup": (
            "jobs",
            {
                "where": _json(
                    {
                        "type": {"$nin": ["DELETE_BACKUP", "AWSRDS_BACKUP_DELETE", "AGENT_UPDATE"]},
                        "backupdef": backup,
                        "start_time": {"$gt": since},
                    }
                ),
                "sort": "-start_time",
                "page": "1",
                "max_results": "5",
            },
        ),
        "rancher: clusters": ("kubeclusters", {}),
        "rancher: restores": (
            "kuberestores",
            _rancher("-_updated", {"migrationdef": {"$exists": False}, "$or": both}, "cluster", "backup_inst", "backup_inst.cluster"),
        ),
        "rancher: backups": (
            "kubebackups",
            _rancher("-_updated", {"migrationdef": {"$exists": False}, "cluster": cluster}, "policy", "copy_policy", "cluster"),
        ),
        "rancher: migrations": (
            "kubemigrations",
            _rancher("-_updated", {"is_replication": {"$eq": False}, "$or": ends}, "backup.cluster", "restore.cluster", "policy"),
        ),
        "rancher: recovery points": (
            "backupinstances",
            _rancher("-start_time", {"cluster": cluster, "state": "READY"}, "backupdef", "objectstore", "cluster"),
        ),
        "rancher: jobs": (
            "jobs",
            _rancher(
                "-start_time",
                {"display_type": {"$nin": hidden, "$exists": True}, "cluster": cluster},
                "backupdef",
                "restoredef",
                "awsrds.copydef",
            ),
        ),
    }


def _rancher(sort: str, where: dict[str, Any], *embedded: str) -> dict[str, str]:
    return {"sort": sort, "embedded": _json(dict.fromkeys(embedded, 1)), "where": _json(where)}


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
