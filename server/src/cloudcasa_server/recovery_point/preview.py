"""What would go: for each recovery point of a definition, or of all that a policy runs, whether and when it is deleted, or what keeps it.

It goes by the rules of the sweeper (retention.py) and changes nothing. Points that will be made meanwhile are not foreseen; they take the place
of older ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from ..kit.errors import BadRequestError
from ..kit.rest import RequestContext, RouteDocs, ShownModel
from ..kit.store import And, Document, Or, Query, eq
from .expiry import Expiry
from .model import COLLECTION
from .retention import Fate, Reason, fates

DEFINITIONS = "kubebackups"
MAX_DEFINITIONS = 200
MAX_POINTS = 10_000
_LATEST = 4_102_444_800


class PreviewedPoint(ShownModel):
    """A recovery point and what becomes of it."""

    id: str = Field(alias="_id")
    name: str
    backupdef: str | None = None
    backupdef_name: str | None = None
    type: str
    start_time: int
    expiry_timestamp: int | None = None
    goes: bool
    """Whether it is deleted by then."""
    goes_at: int | None = None
    """When, if no newer point is made meanwhile, in seconds since 1970; null when it then stays for ever."""
    reason: str | None = None
    """Why it stays: `locked`, `not-expired`, `no-expiry`, `in-use`, `minimum-kept`, `last-good`."""
    text: str
    """The same for people."""


class RetentionPreview(ShownModel):
    """The answer."""

    at: int
    points: list[PreviewedPoint]
    is_cut: bool
    """There are more definitions or points than are shown: ask for the definitions one by one."""


DOCS = RouteDocs(answer=RetentionPreview, parameters={"at": "By when, in seconds since 1970. Default: now."}, errors=frozenset({404}))


async def preview_definition(context: RequestContext, /) -> Document:
    """Say which recovery points of a backup definition are deleted when, and what keeps the others."""
    definition = await context.get(DEFINITIONS, context.path_params["id"])
    return await _answer(context, eq("_id", definition["_id"]))


async def preview_policy(context: RequestContext, /) -> Document:
    """Say the same of all backup definitions that a policy runs."""
    policy = await context.get("policies", context.path_params["id"])
    return await _answer(context, Or((eq("policy", policy["_id"]), eq("copy_policy", policy["_id"]))))


async def _answer(context: RequestContext, which: Query) -> Document:
    at = _instant(context)
    points: list[Document] = []
    query = And((which, context.visible(DEFINITIONS)))
    found = await context.store.collection(DEFINITIONS).find(query, sort=(("name", 1),), limit=MAX_DEFINITIONS + 1)
    is_cut = len(found) > MAX_DEFINITIONS
    for definition in found[:MAX_DEFINITIONS]:
        async for fate in _fates(context, definition, at=at):
            if len(points) == MAX_POINTS:
                return {"at": at, "points": points, "is_cut": True}
            points.append(_shown(fate))
    return {"at": at, "points": points, "is_cut": is_cut}


async def _fates(context: RequestContext, definition: Document, *, at: int) -> AsyncIterator[Fate]:
    """Yield the fates of those points of a definition that the caller may see, newest first; the rules need all of them."""
    expiry = context.service(Expiry)
    group = await expiry.group({"backupdef": definition["_id"]})
    mine = And((eq("backupdef", definition["_id"]), context.visible(COLLECTION)))
    seen = {one["_id"] for one in await context.store.collection(COLLECTION).find(mine, projection={"_id": True})}
    due = [point["_id"] for point in group.points if point.get("expiry_timestamp", at + 1) <= at]
    used = await expiry.deletions.used(due)
    for fate in fates(group.points, now=at, in_use=used, keep_last_good=group.keep_last_good):
        if fate.point["_id"] in seen:
            yield fate


def _instant(context: RequestContext) -> int:
    text = context.parameters.get("at", "").strip()
    now = int(context.clock.timestamp())
    if not text:
        return now
    if not text.isascii() or not text.isdigit() or not now <= int(text[:20]) <= _LATEST:
        raise BadRequestError(f'The parameter "at" must be an instant from now on, in seconds since 1970, not "{text[:20]}".')
    return int(text)


def _shown(fate: Fate) -> Document:
    keys = ("_id", "name", "backupdef", "backupdef_name", "type", "start_time", "expiry_timestamp")
    shown: dict[str, Any] = {key: fate.point.get(key) for key in keys}
    reason = fate.reason.value if fate.reason else None
    return shown | {"goes": fate.reason is None, "goes_at": fate.goes_at, "reason": reason, "text": explained(fate)}


def explained(fate: Fate, /) -> str:
    """Return what becomes of a point, as a sentence."""
    until = f"{datetime.fromtimestamp(fate.point.get('expiry_timestamp', 0), UTC):%Y-%m-%d %H:%M} UTC"
    minimum = fate.point["retention"].get("numAlwaysRetain")
    beyond = {
        Reason.MINIMUM: f" It is kept beyond, as one of the newest {minimum} (numAlwaysRetain).",
        Reason.LAST_GOOD: " It is kept beyond, as the newest in which everything is.",
    }
    match fate.reason:
        case Reason.LOCKED:
            return f"It is locked until {until}: nobody can delete it." + (beyond[fate.guard] if fate.guard else "")
        case Reason.NO_EXPIRY:
            return "It does not expire."
        case Reason.NOT_EXPIRED:
            return f"It is kept until {until}." + (beyond[fate.guard] if fate.guard else "")
        case Reason.IN_USE:
            return f"It expired at {until}, and a job reads it now."
        case Reason.MINIMUM | Reason.LAST_GOOD:
            return f"It expired at {until}." + beyond[fate.reason]
        case None:
            return f"It expired at {until}, and nothing keeps it."
