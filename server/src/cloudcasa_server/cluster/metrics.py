"""The numbers of one cluster over the last days, from its jobs, claims and recovery points. Source: rest-api.md 2.1; docs/reference/numbers.md defines each.

The cost is bounded: some counts, one list of claims and at most MAX_POINTS recovery points for each way of protection. What lies beyond is not counted as
protected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cloudcasa_contract.commands import AGENT_NAMESPACE
from cloudcasa_contract.states import FINAL_JOB_STATES, JobState, JobType, RecoveryPointState

from ..kit.errors import BadRequestError
from ..kit.rest import RequestContext
from ..kit.rest.where import parse_object
from ..kit.store import And, Compare, Document, In, Query, eq
from ..recovery_point.model import DAY_SECONDS

DEFAULT_DAYS = 7
MAX_DAYS = 366
MAX_CLAIMS = 10_000
MAX_POINTS = 500
PAGE = 50
COPY, SNAPSHOT = "COPY", "SNAPSHOT"
_ALL = 100
_SNAPSHOT_METHODS = {"CSISnapshot", "NativeSnapshot"}
Claim = tuple[str, str]
"""Namespace and name."""


def parse_days(text: str, /) -> int:
    """Return the days of `{"days": 7}`. Raises BadRequestError."""
    days = parse_object(text, "metrics").get("days", DEFAULT_DAYS)
    if type(days) is not int or not 1 <= days <= MAX_DAYS:
        raise BadRequestError(f'The parameter "metrics" takes whole days from 1 to {MAX_DAYS}, such as {{"days": {DEFAULT_DAYS}}}.')
    return days


async def metrics(context: RequestContext, cluster_id: str, /, *, days: int) -> Mapping[str, int]:
    """Return the numbers, of what the caller may see."""
    since = Compare("start_time", "gte", int(context.clock.now().timestamp()) - days * DAY_SECONDS)
    return {
        **await _runs(context, And((eq("cluster", cluster_id), since))),
        **await _coverage(context, cluster_id, since=since),
        **await _locked(context, cluster_id),
    }


async def _count(context: RequestContext, name: str, *parts: Query) -> int:
    return await context.store.collection(name).count(And((*parts, context.visible(name))))


async def _runs(context: RequestContext, period: Query) -> Mapping[str, int]:
    runs = And((period, In("type", (JobType.K8S_SNAP.value, JobType.K8S_COPY.value))))
    ended = await _count(context, "jobs", runs, In("state", tuple(sorted(state.value for state in FINAL_JOB_STATES))))
    good = await _count(context, "jobs", runs, eq("state", JobState.COMPLETED.value))
    return {
        "total_num_backup_jobs": await _count(context, "jobs", runs),
        "total_num_successful_backup_jobs": good,
        "backup_job_success_percentage": percentage(good, of=ended),
    }


async def _coverage(context: RequestContext, cluster_id: str, *, since: Query) -> Mapping[str, int]:
    claims = And((eq("cluster_id", cluster_id), context.visible("kubepvclaims")))
    found = await context.store.collection("kubepvclaims").find(claims, limit=MAX_CLAIMS)
    eligible = frozenset((str(each["namespace_name"]), str(each["name"])) for each in found if is_eligible(each))
    copied = await _protected(context, cluster_id, kind=COPY, since=since, wanted=eligible)
    snapped = await _protected(context, cluster_id, kind=SNAPSHOT, since=since, wanted=eligible)
    return {
        "total_num_pvcs": len(found) if len(found) < MAX_CLAIMS else await context.store.collection("kubepvclaims").count(claims),
        "total_num_offload_pvcs": copied,
        "eligible_pvc_offload_coverage_percentage": percentage(copied, of=len(eligible)),
        "total_num_snapshot_pvcs": snapped,
        "eligible_pvc_snapshot_coverage_percentage": percentage(snapped, of=len(eligible)),
    }


async def _protected(context: RequestContext, cluster_id: str, *, kind: str, since: Query, wanted: frozenset[Claim]) -> int:
    """Return how many of the wanted claims are in a usable recovery point of the kind, looking at the newest points first."""
    ready = And((eq("cluster", cluster_id), eq("state", RecoveryPointState.READY.value), eq("type", kind), since))
    points = context.store.collection("backupinstances")
    missing = set(wanted)
    for skip in range(0, MAX_POINTS, PAGE):
        if not missing:
            break
        page = await points.find(
            And((ready, context.visible("backupinstances"))),
            sort=(("start_time", -1),),
            skip=skip,
            limit=PAGE,
            projection={"velero.volumes": True},
        )
        for point in page:
            missing -= held(point.get("velero", {}).get("volumes", ()), kind=kind)
        if len(page) < PAGE:
            break
    return len(wanted) - len(missing)


async def _locked(context: RequestContext, cluster_id: str) -> Mapping[str, int]:
    ready = And((eq("cluster", cluster_id), eq("state", RecoveryPointState.READY.value)))
    locked = await _count(context, "backupinstances", ready, eq("status.locked", True))
    total = await _count(context, "backupinstances", ready)
    return {"total_num_safelock_recovery_points": locked, "safelock_coverage_percentage": percentage(locked, of=total)}


def is_eligible(claim: Document, /) -> bool:
    """Tell whether a claim can be protected: bound to a CSI volume, and not the agent's own."""
    return claim.get("phase") == "Bound" and bool(claim.get("driver")) and claim.get("namespace_name") != AGENT_NAMESPACE


def held(volumes: Iterable[Mapping[str, Any]], /, *, kind: str) -> set[Claim]:
    """Return the claims whose data a recovery point of this kind holds."""
    return {
        (str(volume["namespace"]), str(volume["pvc"]))
        for volume in volumes
        if volume.get("succeeded") and not volume.get("skipped_reason") and _is_kept(volume, kind=kind)
    }


def _is_kept(volume: Mapping[str, Any], *, kind: str) -> bool:
    if kind == COPY:
        return bool(volume.get("is_data_moved")) or volume.get("method") == "PodVolumeBackup"
    return volume.get("method") in _SNAPSHOT_METHODS


def percentage(part: int, /, *, of: int) -> int:
    """Return a rounded percentage; 100 only when nothing is missing, 0 of nothing."""
    return _ALL if part == of > 0 else min(round(_ALL * part / max(of, 1)), _ALL - 1)
