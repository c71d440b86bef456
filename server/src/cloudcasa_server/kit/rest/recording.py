"""What is told to whoever keeps the record of changes (identity/audit.py): who did what to which document, and how it looked before and after.

Told after every change and every refusal. A recorder never raises: what happened has happened, and the answer must say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ..store import Document
from .access import SYSTEM, Principal
from .resource import Resource


class Outcome(StrEnum):
    """How it ended."""

    OK = "OK"
    REFUSED = "REFUSED"
    """Not permitted: 403, or a login that failed."""
    FAILED = "FAILED"
    """Undone, since it could not stand."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was done, or refused."""

    operation: str
    """create, update, delete, an action's name, or another verb such as login."""
    resource: str
    resource_id: str = ""
    name: str = ""
    principal: Principal = SYSTEM
    address: str = ""
    """The caller's network address; empty when the server itself did it."""
    request_id: str = ""
    declaration: Resource | None = None
    """Says which of the documents' fields are secret. None: they hold none."""
    before: Document | None = None
    after: Document | None = None
    outcome: Outcome = Outcome.OK
    message: str = ""


class Recorder(Protocol):
    """Keeps the record."""

    async def record(self, change: Change, /) -> None:
        """Keep it. Never raises."""


class NoRecorder:
    """Keeps nothing: for an API without a record."""

    async def record(self, change: Change, /) -> None:
        """Do nothing."""
