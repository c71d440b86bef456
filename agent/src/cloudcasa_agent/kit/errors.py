"""The root of the agent's error tree: every expected trouble has a slug for programs, a sentence and a remedy for people.

Rooms subclass it; foreign exceptions are translated where their library is used. A handler's AgentError becomes the Problem of a Result.
"""

from __future__ import annotations

from cloudcasa_contract.commands import Problem


class AgentError(Exception):
    """Expected trouble, told in one sentence."""

    slug: str = "agent-error"
    remedy: str = ""

    def __init__(self, text: str, *, slug: str = "", remedy: str = "") -> None:
        """Keep the sentence; `slug` and `remedy` replace those of the class."""
        super().__init__(text)
        self.text = text
        self.slug = slug or self.slug
        self.remedy = remedy or self.remedy

    def as_problem(self) -> Problem:
        """Return what the server is told."""
        return Problem(slug=self.slug, text=self.text, remedy=self.remedy)
