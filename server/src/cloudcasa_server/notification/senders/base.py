"""What every sender is given and may raise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from ...kit.store import Document

Event = dict[str, Any]
"""What is told of one alert: id, type, name, description, raised_at, and where known job and cluster."""


class SendError(Exception):
    """It was not delivered. The text says why, without addresses that are secrets."""

    def __init__(self, text: str, *, retry_after_seconds: float = 0.0) -> None:
        """Remember the sentence, and how long the other side asked to wait."""
        super().__init__(text)
        self.text = text
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class Batch:
    """What one message tells, to one channel."""

    message_id: str
    """The same for every attempt, so that receivers can tell a repetition."""
    channel: Document
    """With its secrets in clear."""
    events: Sequence[Event]


class Sender(Protocol):
    """A way of telling."""

    @property
    def max_batch(self) -> int:
        """Return how many alerts one message tells at most."""

    def refusal(self) -> str:
        """Return why this installation cannot send in this way, with the remedy; empty when it can."""

    def place(self, channel: Document, /) -> str:
        """Return where it goes, as people may see it."""

    async def send(self, batch: Batch, /) -> str:
        """Deliver, or raise SendError; return who was left out, empty for nobody. Called again with the same batch, it may deliver twice."""


def at_utc(seconds: int, /) -> str:
    """Return a time as people read it."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def headline(events: Sequence[Event], /) -> str:
    """Return one line about all of them."""
    return str(events[0]["name"]) if len(events) == 1 else f"{len(events)} alerts"
