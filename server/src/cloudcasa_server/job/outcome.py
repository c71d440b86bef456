"""What a closed command says, in a sentence. Pure."""

from __future__ import annotations

from cloudcasa_contract.frames import Outcome
from cloudcasa_contract.states import JobState

from ..kit.store import Document
from .model import Finish
from .reasons import of_problem


def failure_text(command: Document, /) -> str:
    """Return why a closed command was not done, with the remedy; empty when it was done."""
    result = command["result"]
    outcome = Outcome(result["outcome"])
    if outcome is Outcome.SUCCEEDED:
        return ""
    if outcome is Outcome.UNSUPPORTED:
        return f"The agent does not know the command {command['kind']}. Apply the cluster's manifest again to update the agent."
    problem = result.get("problem") or {"text": "The agent gave no reason."}
    return with_remedy(problem["text"], problem.get("remedy") or "")


def failure(command: Document, /) -> Finish | None:
    """Return the end of a job whose closed command was not done, with the agent's reason and remedy; None when it was done."""
    text = failure_text(command)
    if not text:
        return None
    problem = command["result"].get("problem") or {}
    is_unknown = Outcome(command["result"]["outcome"]) is Outcome.UNSUPPORTED
    reason = "agent_version_unsupported" if is_unknown else of_problem(problem.get("slug", ""))
    return Finish(JobState.FAILED, text, reason=reason, remedy=problem.get("remedy") or "")


def with_remedy(text: str, remedy: str, /) -> str:
    """Return what is wrong and what to do, as sentences."""
    parts = (part.strip() for part in (text, remedy))
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts if part)
