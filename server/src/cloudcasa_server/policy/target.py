"""Which policy fires a backup definition: its copy's or its own, never both. Pure. Source: rest-api.md 2.6, 2.7."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ADHOC = "ADHOC"


def policy_of(backup: Mapping[str, Any], offload: Mapping[str, Any] | None, /) -> str | None:
    """Return the id of the policy by which a definition runs; None when it does not run by itself.

    A copy counts when the definition points to it and it to the definition. One that nothing points to any more is left behind, and inactive.
    """
    if not _runs_by_itself(backup):
        return None
    if not backup.get("copydef"):
        return backup.get("policy") or None
    if offload is None or offload.get("backupdef") != backup["_id"] or not _runs_by_itself(offload):
        return None
    return offload.get("policy") or None


def _runs_by_itself(definition: Mapping[str, Any]) -> bool:
    return definition.get("trigger_type") != ADHOC and not definition.get("pause")
