"""What the catalogue is made of: a recipe makes one cache entry, and an entry can hold several things that have names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Inputs = Mapping[str, Path]
"""Path of each name that a recipe asked for."""


Maker = Callable[[Path, Inputs], None]
"""Write an entry into the directory given."""


@dataclass(frozen=True)
class Recipe:
    """How to make one entry of the cache."""

    kind: str
    """First folder below the cache: bin, image, file, rootfs."""
    name: str
    outputs: Mapping[str, str]
    """Name that callers use -> path inside the entry."""
    make: Maker
    """Write the entry into the directory given."""
    contents: Callable[[], Iterable[str | bytes | Path]]
    """Everything the result depends on, beside the inputs."""
    needs: tuple[str, ...] = ()
    """Names of other recipes' outputs."""
    commands: tuple[str, ...] = ()
    root: bool = False
    usual_seconds: int = 5
    is_large: bool = False
    """Whether a build from nothing needs the room of `machine.require_room`."""
    keep: int = field(default=0)
    """How many entries of this name to keep; 0: all. For what changes with every edit."""
