"""One budget of seconds that is passed down a chain of awaits, so that their sum is bounded and not only each of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Timeout:
    """A budget that started when it was made."""

    seconds: float
    started_at: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self.seconds - (time.monotonic() - self.started_at))

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is left."""
        return self.left() == 0.0
