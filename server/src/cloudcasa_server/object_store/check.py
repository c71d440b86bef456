"""What follows from trying a store out, the first time and from then on. Pure; checks.py acts on it. Source: rest-api.md 2.4 `validate_state`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..kit.store import Document, Index
from .location import standing
from .model import not_yet

READY, FAILED, VALIDATING = "READY", "FAILED", "VALIDATING"
DUE_AT = "check.due_at"
COMMAND = "check.command"
ALERT_DUE = "check.is_alert_due"
INDEXES = (Index("check", ((DUE_AT, 1),)), Index("rollout", (("rollout.is_due", 1),)), Index("check_alert", ((ALERT_DUE, 1),)))
AGAIN_SECONDS = 60.0
"""A store that was READY is tried a second time before it is called FAILED: one lost packet is no alarm."""
FAILED_SECONDS = 600.0
"""How often one that is not READY is tried, if that is more often than the others."""
WAIT_SECONDS = 15.0
"""How often the message about a cluster that does not answer is brought up to date."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often stores are tried out."""

    seconds: float
    """0: only when they change."""

    def after(self, now: float, /, *, at_most: float | None = None) -> float | None:
        """Return when it is time again."""
        if not self.seconds:
            return None
        return now + (min(self.seconds, at_most) if at_most else self.seconds)


def begun(*, due_at: float | None) -> Document:
    """Return the field `check` of a store that was just proven, or that is to be."""
    return {"check": {"due_at": due_at, "command": "", "failures": 0}}


def passed(store: Document, /, *, now: float, rhythm: Rhythm) -> dict[str, Any]:
    """Return the change of a store that can be used."""
    return {
        "validate_state": READY,
        "validate_message": not_yet(store),
        "check.failures": 0,
        "check.checked_at": now,
        COMMAND: "",
        DUE_AT: rhythm.after(now),
    }


def failed(store: Document, text: str, /, *, now: float, rhythm: Rhythm) -> dict[str, Any]:
    """Return the change of a store that cannot be used. One that could is given a second chance, and an alert after it."""
    failures = int((store.get("check") or {}).get("failures", 0)) + 1
    fields: dict[str, Any] = {"check.failures": failures, COMMAND: ""}
    if store["validate_state"] == READY and failures == 1:
        return fields | {"validate_message": f"The last try failed and is repeated: {text}", DUE_AT: now + AGAIN_SECONDS}
    alert = {ALERT_DUE: True, "check.failed_at": int(now)} if store["validate_state"] == READY else {}
    due_at = rhythm.after(now, at_most=FAILED_SECONDS)
    return fields | alert | {"validate_state": FAILED, "validate_message": text, DUE_AT: due_at}


def unanswered(store: Document, cluster: Mapping[str, Any] | None, /, *, now: float) -> dict[str, Any]:
    """Return the change of a private store whose cluster has not answered yet: what it was stays true, and the message says what is waited for."""
    what = f'"{cluster["name"]}" {standing(cluster, active="is trying it out")}' if cluster else "its cluster was deleted; name another one"
    prefix = "Not tried out yet" if store["validate_state"] == VALIDATING else "Not tried out again"
    return {"validate_message": f"{prefix}: {what}.", DUE_AT: now + WAIT_SECONDS}
