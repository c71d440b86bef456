"""What a closed command says, in a sentence. Pure."""

from __future__ import annotations

from cloudcasa_contract.frames import Outcome

from ..kit.store import Document


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


def problem_slug(command: Document, /) -> str:
    """Return the slug of what kept a closed command from being done; empty when there is none."""
    return str((command["result"].get("problem") or {}).get("slug", ""))


def with_remedy(text: str, remedy: str, /) -> str:
    """Return what is wrong and what to do, as sentences."""
    parts = (part.strip() for part in (text, remedy))
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts if part)
