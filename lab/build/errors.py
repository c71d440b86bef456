"""What can go wrong while the lab's parts are built, as classes.

Each message is one sentence for the person at the terminal; `lab.cli` prints it as it is.
"""

from __future__ import annotations

__all__ = ["BuildFailedError", "LabBuildError", "MissingError", "UnknownArtifactError"]


class LabBuildError(Exception):
    """Anything that keeps a part of the lab from being built."""


class MissingError(LabBuildError):
    """The machine lacks something; the message says what, and the command that mends it."""


class BuildFailedError(LabBuildError):
    """A build command ended badly; the message names the log."""


class UnknownArtifactError(LabBuildError):
    """Nobody knows how to build this name."""
