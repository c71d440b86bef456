"""Go's side of the wire: JSON decoded as strictly as encoding/json does, into the types that known clients declare (rest-api.md 1.12).

A type is `str`, `int`, `float`, `bool`, `ANY`, a list of one type, a `Map` of one, or a dictionary: a struct. Keys match in any case, unknown ones are
ignored, null and absence give the zero value, and everything else of another type ends the client.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ANY = object()
_INT64 = range(-(2**63), 2**63)


class GoError(AssertionError):
    """`json: cannot unmarshal …`: what makes a Go client give up."""


@dataclass(frozen=True)
class Map:
    """map[string]T."""

    of: Any


def decode(content: bytes, kind: Any) -> Any:
    """Return the value of a JSON text as a Go program would have it. Raises GoError."""
    return _value(json.loads(content), kind, "")


def _value(value: Any, kind: Any, path: str) -> Any:
    if kind is ANY:
        return value
    if value is None:
        return zero(kind)
    if isinstance(kind, list):
        return [_value(one, kind[0], f"{path}[]") for one in _typed(value, list, path)]
    if isinstance(kind, Map):
        return {key: _value(one, kind.of, f"{path}.{key}") for key, one in _typed(value, dict, path).items()}
    if isinstance(kind, dict):
        given = _typed(value, dict, path)
        return {name: _field(given, name, below, path) for name, below in kind.items()}
    return _plain(value, kind, path)


def _field(given: Mapping[str, Any], name: str, kind: Any, path: str) -> Any:
    """Return a struct's field: the key spelled so, else in another case, else the zero value."""
    key = name if name in given else next((one for one in given if one.casefold() == name.casefold()), None)
    return zero(kind) if key is None else _value(given[key], kind, f"{path}.{name}")


def _plain(value: Any, kind: type, path: str) -> Any:
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(value, kind, path)
        return float(value)
    if type(value) is not kind or (kind is int and value not in _INT64):
        raise _wrong(value, kind, path)
    return value


def _typed(value: Any, kind: type, path: str) -> Any:
    if not isinstance(value, kind):
        raise _wrong(value, kind, path)
    return value


def _wrong(value: Any, kind: type, path: str) -> GoError:
    return GoError(f"cannot unmarshal {value!r} into field {path} of type {kind.__name__}")


def zero(kind: Any) -> Any:
    """Return Go's zero value."""
    if isinstance(kind, dict):
        return {name: zero(below) for name, below in kind.items()}
    if isinstance(kind, list):
        return []
    return {} if isinstance(kind, Map) else None if kind is ANY else kind()


_HEAD = {"_id": str, "_etag": str, "_created": str, "_updated": str, "_status": str, "_links": Map(ANY), "name": str}
_HOOKS = [{"template": bool, "namespaces": [str], "hooks": [str]}]
_RUN = {"last_job_run_time": int, "jobs": [Map(str)]}

POLICY = _HEAD | {"timezone": str, "schedules": [{"retainDays": int, "locked": bool, "schedule": {"cronSpec": str}}]}
OBJECTSTORE = _HEAD | {
    "private": bool,
    "provider_type": str,
    "bucket_name": str,
    "region": str,
    "skip_tls_certificate_validation": bool,
    "proxy_cluster_list": [str],
    "s3provider": {"endpoint": str, "cloud": str, "resource_group_name": str, "storage_account_name": str, "credentials": Map(str)},
}
KUBECLUSTER = _HEAD | {"status": {"state": str, "agentUrl": str, "message": str}, "backup_provider": {"user_objectstore": str}}
KUBEBACKUP = _HEAD | {
    "cluster": str,
    "policy": str,
    "copydef": str,
    "copy_policy": str,
    "trigger_type": str,
    "pause": bool,
    "pre_hooks": _HOOKS,
    "post_hooks": _HOOKS,
    "source": {"all_namespaces": bool, "namespaces": [str], "snapshotPersistentVolumes": bool},
    "status": _RUN,
}
KUBEOFFLOAD = _HEAD | {
    "cluster": str,
    "backupdef": str,
    "policy": str,
    "trigger_type": str,
    "run_backup": bool,
    "delete_snapshots": bool,
    "offload_provider": {"user_objectstore": str},
    "options": Map(ANY),
    "status": {"state": str, "jobid": str, "message": str, "last_job_run_time": int},
}
JOB = _HEAD | {
    "type": str,
    "state": str,
    "message": str,
    "start_time": int,
    "end_time": int,
    "activity": [str],
    "jobrunner": str,
    "cluster": str,
    "backupdef": str,
    "offloaddef": str,
    "num_total_resources": int,
    "num_errors": int,
    "kube_copy_progress": {"total_pvs": int, "completed_pvs": int, "stats": Map(int)},
}


def page(kind: Any) -> dict[str, Any]:
    """Return the type of a list of documents."""
    return {"_items": [kind], "_meta": {"page": int, "max_results": int, "total": int}, "_links": Map(ANY)}


_ROW = {"resource": str, "resourceIds": [str], "permissions": [str]}
USERGROUP = _HEAD | {"users": [str], "acls": [_ROW | {"roles": [{"id": str, "name": str, "type": str}]}]}
ORGINVITE = _HEAD | {
    "email": str,
    "first_name": str,
    "last_name": str,
    "state": str,
    "org": str,
    "inviter": str,
    "expires_in_days": int,
    "usergroups": [str],
    "tags": Map(str),
    "acls": [_ROW | {"roles": [{"_id": str, "name": str, "type": str}]}],
}
ORG = _HEAD | {"display_name": str, "subscription": str}
KUBENAMESPACE = _HEAD | {"cluster_id": str, "k8s_uid": str}
C3TL_BACKUP = _HEAD | {
    "cluster": str,
    "cc_user_email": str,
    "trigger_type": str,
    "source": {
        "all_namespaces": bool,
        "namespaces": [str],
        "excluded_namespaces": [str],
        "included_resources": [str],
        "label_selector": Map(str),
        "snapshotPersistentVolumes": bool,
        "csi_snapshot_timeout": int,
    },
    "velero": {"fs_backup": bool, "storage_location": str, "volume_snapshot_locations": [str], "retention_days": int},
    "velero_k8s_uid": str,
    "status": {
        "last_job_run_time": int,
        "velero": {"op_state": str, "op_message": str},
        "jobs": [{"jobid": str, "state": str, "message": str}],
    },
}
