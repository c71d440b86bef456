"""Building the lab's parts out of package registries, each once: the one door for the rest of `lab`.

Everything is pinned, built from what Debian, the Go module proxy, PyPI and npm offer, and cached by content, so a second checkout builds
nothing. Missing prerequisites are `MissingError`s of one sentence.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from .cache import cache_root
from .catalogue import VERSIONS, catalogue, image_ref
from .errors import BuildFailedError, LabBuildError, MissingError, UnknownArtifactError
from .machine import require
from .oci import archive_ref
from .plan import ensure_all

__all__ = [
    "VERSIONS",
    "BuildFailedError",
    "LabBuildError",
    "MissingError",
    "UnknownArtifactError",
    "archive_ref",
    "binary",
    "cache_root",
    "ensure",
    "image",
    "image_ref",
    "known",
    "prune",
    "require",
    "rootfs",
]


def _silent(_: str) -> None:
    return


def known() -> list[str]:
    """Return every name that can be asked for."""
    return list(catalogue().by_output())


def ensure(names: Iterable[str], *, report: Callable[[str], None] = _silent) -> dict[str, Path]:
    """Return a path for each name, building what is missing and saying so through `report`.

    Raises MissingError when the machine lacks something, before anything is built.
    """
    return ensure_all(catalogue(), list(names), report=report)


def binary(name: str) -> Path:
    """Return the path of a program, such as "kubectl"; builds it when missing."""
    return ensure([name])[name]


def image(name: str) -> Path:
    """Return the path of an image's OCI archive, such as "velero"; builds it when missing."""
    full = f"image:{name.removeprefix('image:')}"
    return ensure([full])[full]


def rootfs(name: str) -> Path:
    """Return the directory of a root file system, such as "bookworm"; builds it when missing."""
    full = f"rootfs:{name.removeprefix('rootfs:')}"
    return ensure([full])[full]


def prune() -> None:
    """Delete Go's build cache (some 6 GiB), which nothing needs once the programs are cached."""
    shutil.rmtree(cache_root() / "go-build", ignore_errors=True)
