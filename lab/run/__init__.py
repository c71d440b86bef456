"""Running a lab: its world, its processes, its end. `Lab` is the door."""

from __future__ import annotations

from .errors import LabError
from .lab import Lab

__all__ = ["Lab", "LabError"]
