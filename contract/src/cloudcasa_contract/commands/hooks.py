"""Application hooks: what runs in an application's own pods around a backup or after a restore, and what became of it in each pod."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from ..base import WireModel, WireSecret

HOOK_SECONDS = 300
"""How long a command may take unless its hook says otherwise: Velero's own 30 seconds are short for a database."""
MAX_HOOK_SECONDS = 3600
MAX_HOOKS = 500
"""Commands of one run. Each is a rule that Velero holds against every pod."""


class HookRun(WireModel):
    """One command, in one container of each pod that fits."""

    hook: str
    """The hook's name, as its user knows it."""
    phase: Literal["pre", "post"]
    """Of a backup: before or after the volumes of a pod are snapshotted. Of a restore always post."""
    namespaces: tuple[str, ...] = ()
    """As they are called where the command runs; empty: all of the run."""
    labels: dict[str, str]
    """Values separated by commas mean OR, several keys AND."""
    container: str = ""
    """Empty: the first of the pod."""
    command: tuple[WireSecret, ...]
    timeout_seconds: int = Field(default=HOOK_SECONDS, gt=0, le=MAX_HOOK_SECONDS)
    wait_for_ready: bool = True
    """Of a restore: wait until the container is ready, not only running."""


class HookState(StrEnum):
    """What became of one command in one pod."""

    DONE = "DONE"
    FAILED = "FAILED"
    NOT_RUN = "NOT_RUN"
    UNKNOWN = "UNKNOWN"
    """It failed in one of several pods, and Velero does not say in which."""


class HookResult(WireModel):
    """One command in one pod."""

    hook: str
    phase: str
    namespace: str
    pod: str
    container: str = ""
    state: HookState
    error: str = ""
    output: str = ""
    """The end of what a command wrote that failed."""


class HookReport(WireModel):
    """What became of all hooks of a run."""

    attempted: int = 0
    failed: int = 0
    """By Velero's count: pods that are gone meanwhile are in it."""
    results: tuple[HookResult, ...] = ()
    """Those that did not go well first; of very many only the first."""
    is_cut: bool = False
    unmatched: tuple[str, ...] = ()
    """Hooks for which there was no pod."""
