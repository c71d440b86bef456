"""A part of a lab: one supervised process, described before it is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .probe import Probe


@dataclass(frozen=True)
class Part:
    """What to run, with what, and how to tell that it is ready."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[int | None], Probe] | None = None
    """Makes the probe, given the process whose network to look from; None means ready once it runs."""
    timeout_seconds: float = 90
