"""Why hooks cannot run."""

from __future__ import annotations

from ..kit.errors import AppError


class HookMissingError(AppError):
    """A definition names a hook that is not there, or more than Velero can be asked to run."""

    slug = "hook-missing"
