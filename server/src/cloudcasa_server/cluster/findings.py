"""What agents found wanting on a cluster, as clients see it. Pure.

An agent that looks its cluster over tells everything with that; what bringing up the engine found is shown for those that cannot, and of it
always why an update was taken back, since no later look tells that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cloudcasa_contract.commands import Finding, Problem, Severity

from ..job.outcome import with_remedy

UPDATE_FAILED = "engine-update-failed"
Found = Sequence[Mapping[str, Any]]


def engine_findings(output: Mapping[str, Any], /) -> list[dict[str, Any]]:
    """Return what an answer of engine.ensure found, with what became of an update."""
    found = [Finding.model_validate(each) for each in output.get("findings", ())]
    if problem := output.get("update_problem"):
        told = Problem.model_validate(problem)
        found.insert(0, Finding(slug=told.slug, text=told.text, remedy=told.remedy, severity=Severity.DEGRADES.value))
    return [each.model_dump(mode="json") for each in found]


def shown_findings(engine: Found, preflight: Found | None, /) -> dict[str, Any]:
    """Return the fields that clients see."""
    own = [each for each in engine if preflight is None or each["slug"] == UPDATE_FAILED]
    return {"status.findings": [with_remedy(each["text"], each["remedy"]) for each in (*own, *(preflight or ()))]}
