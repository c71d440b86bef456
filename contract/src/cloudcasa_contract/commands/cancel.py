"""Cancelling a run that the agent was told to make."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..base import CommandId, WireModel
from .backup import BackupOutput, BackupRun
from .restore import RestoreOutput, RestoreRun


class RunCancel(WireModel):
    """Stop a backup or restore, and take away what it made by half. Sent after the run's own command, and takes it over."""

    kind: Literal["run.cancel"] = "run.cancel"
    run_id: CommandId
    """The id of the run's command: the label of its objects."""
    run: Annotated[BackupRun | RestoreRun, Field(discriminator="kind")]
    """The run's command, so that a run which has ended is told as if nobody had cancelled it."""
    keep: bool = False
    """Leave in the cluster what a restore has made until then. Of a backup nothing half-made is kept in any case."""


class RunCancelled(WireModel):
    """What became of the run."""

    kind: Literal["run.cancel"] = "run.cancel"
    is_stopped: bool
    """The run was stopped, or had not begun. False: it had come to its end by itself, and `run` is that end."""
    run: Annotated[BackupOutput | RestoreOutput, Field(discriminator="kind")] | None = None
    """How far it had come; None: nothing of it was in the cluster."""
    removed: int = 0
    """Objects of a restore that were taken away again."""
    left: tuple[str, ...] = ()
    """Sentences about what is still there, and why."""
