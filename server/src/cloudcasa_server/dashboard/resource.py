"""`GET /dashboard`: a few counts, each answered by an index, of what the caller may see. Source: rest-api.md 2.16; docs/reference/numbers.md."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from cloudcasa_contract.states import FINAL_JOB_STATES, ClusterState, JobState, JobType

from ..kit.errors import BadRequestError
from ..kit.rest import PREFIX, RequestContext, RouteDocs
from ..kit.store import ALL, And, Compare, In, Query, eq
from ..recovery_point.model import DAY_SECONDS
from .shown import Dashboard

PATH = f"{PREFIX}/dashboard"
DEFAULT_DAYS = 1
MAX_DAYS = 366
_RUNNING = tuple(sorted(state.value for state in frozenset(JobState) - FINAL_JOB_STATES))
_ENDS = {
    "num_successful": JobState.COMPLETED,
    "num_partial": JobState.PARTIAL,
    "num_skipped": JobState.SKIPPED,
    "num_failed": JobState.FAILED,
}
_SHOWN_TYPES = In("type", (JobType.K8S_SNAP.value, JobType.K8S_COPY.value, JobType.RESTORE.value))
"""Jobs that people start; what is deleted in the background is no run."""
DOCS = RouteDocs(
    answer=Dashboard, parameters={"days": f"Of jobs that began in the last so many days, 1 to {MAX_DAYS}. Default: {DEFAULT_DAYS}."}
)


async def show(context: RequestContext, /) -> Mapping[str, Any]:
    """Read the numbers of the first page."""
    days = _days(context.parameters.get("days", ""))
    since = Compare("start_time", "gte", int(context.clock.now().timestamp()) - days * DAY_SECONDS)
    counts = {
        "num_clusters": _count(context, "kubeclusters"),
        "num_active_clusters": _count(context, "kubeclusters", eq("status.state", ClusterState.ACTIVE.value)),
        "num_protected_clusters": _count(context, "kubeclusters", Compare("status.num_recovery_points", "gt", 0)),
        "num_accounts": _count(context, "cloudaccounts"),
        "num_running": _count(context, "jobs", And((In("state", _RUNNING), _SHOWN_TYPES))),
        **{name: _count(context, "jobs", And((eq("state", state.value), _SHOWN_TYPES, since))) for name, state in _ENDS.items()},
    }
    found = dict(zip(counts, await asyncio.gather(*counts.values()), strict=True))
    accounts = {"num_accounts": found.pop("num_accounts")}
    clusters = {name: found.pop(name) for name in ("num_clusters", "num_active_clusters", "num_protected_clusters")}
    return {"kubernetes": clusters, "cloudaccounts": accounts, "awsrds": {"num_protected_databases": 0}, "jobs": {"days": days, **found}}


async def _count(context: RequestContext, name: str, query: Query = ALL) -> int:
    return await context.store.collection(name).count(And((query, context.visible(name))))


def _days(text: str) -> int:
    text = text.strip()
    if not text:
        return DEFAULT_DAYS
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MAX_DAYS:
        raise BadRequestError(f'The parameter "days" must be a whole number from 1 to {MAX_DAYS}, not "{text[:20]}".')
    return int(text)
