"""What the agent still has to say: acks, progress (newest wins) and messages that are kept until the server has them.

Pure state with the time passed in; the link asks `next_frame` and sends. Results and reports are sent in order, once for each link,
and leave only by an ack. Progress is coalesced: one frame per command and 2 s, at once when the phase changed. frames.py, head.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from cloudcasa_contract.base import CommandId
from cloudcasa_contract.frames import Ack, Progress, Report, Result

PROGRESS_SECONDS = 2.0
"""The least time between two progress frames of one command whose phase did not change."""


@dataclass
class _Told:
    """What was told about a command last."""

    phase: str
    at: float


class Outbox:
    """Frames on their way to the server; lives longer than a link."""

    def __init__(self) -> None:
        """Start empty."""
        self._acks: deque[Ack] = deque()
        self._unacked: dict[str, Result | Report] = {}
        self._sent: set[str] = set()
        self._progress: dict[CommandId, Progress] = {}
        self._told: dict[CommandId, _Told] = {}
        self.wake = asyncio.Event()

    def put_ack(self, command_id: CommandId) -> None:
        """Acknowledge a command on this link."""
        self._acks.append(Ack(id=command_id))
        self.wake.set()

    def put_progress(self, progress: Progress) -> None:
        """Tell how far a command is, instead of what was not yet told about it."""
        self._progress[progress.command_id] = progress
        self.wake.set()

    def put_message(self, message: Result | Report) -> None:
        """Keep a result or report until the server acknowledges it; its command has no more progress."""
        if isinstance(message, Result):
            self._progress.pop(message.command_id, None)
            self._told.pop(message.command_id, None)
        self._unacked[message.message_id] = message
        self.wake.set()

    def drop_message(self, message_id: str) -> None:
        """Forget a message that a newer one made worthless, or that was acknowledged."""
        self._unacked.pop(message_id, None)
        self._sent.discard(message_id)
        self.wake.set()

    def resend_result(self, command_id: CommandId) -> bool:
        """Send the result of a command again; False when there is none waiting."""
        waiting = [message for message in self._unacked.values() if isinstance(message, Result) and message.command_id == command_id]
        self._sent.difference_update(message.message_id for message in waiting)
        self.wake.set()
        return bool(waiting)

    def begin_link(self) -> None:
        """Start over on a new link: everything unacknowledged is sent again, acks of the old link mean nothing."""
        self._acks.clear()
        self._sent.clear()
        self._told.clear()
        self.wake.set()

    @property
    def is_empty(self) -> bool:
        """Tell whether every message was acknowledged."""
        return not self._unacked

    def next_frame(self, *, now: float) -> tuple[Ack | Progress | Result | Report | None, float | None]:
        """Return the next frame to send, or None and the seconds until one is due (None: not before something is put)."""
        if self._acks:
            return self._acks.popleft(), 0.0
        for message_id, message in self._unacked.items():
            if message_id not in self._sent:
                self._sent.add(message_id)
                return message, 0.0
        return self._next_progress(now=now)

    def _next_progress(self, *, now: float) -> tuple[Progress | None, float | None]:
        soonest: float | None = None
        for command_id, progress in self._progress.items():
            told = self._told.get(command_id)
            wait = 0.0 if told is None or told.phase != progress.phase else told.at + PROGRESS_SECONDS - now
            if wait <= 0.0:
                self._told[command_id] = _Told(progress.phase, now)
                return self._progress.pop(command_id), 0.0
            soonest = wait if soonest is None else min(soonest, wait)
        return None, soonest
