"""The lab's own branch in the machine's control groups: made before kubelet starts, removed when the lab is gone.

Works on version 1 (one tree for each controller) and on version 2. Source: cgroups(7); kubelet's --cgroup-root must exist.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from .errors import LabError


def branch(name: str) -> str:
    """Return the lab's branch, as kubelet wants it named."""
    return f"/cloudcasa-lab-{name}"


def create(name: str) -> None:
    """Make the lab's branch in every tree, with the processors and memory nodes of its parent."""
    for tree in _trees():
        mine = tree / branch(name).lstrip("/")
        mine.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if (mine / setting).exists() and (tree / setting).exists() and not (mine / setting).read_text().strip():
                (mine / setting).write_text((tree / setting).read_text())


def remove(name: str, *, timeout_seconds: float = 20) -> None:
    """Remove the lab's branch from every tree; the kernel may need a moment to let go of it."""
    deadline = time.monotonic() + timeout_seconds
    left = [tree / branch(name).lstrip("/") for tree in _trees()]
    while left := [path for path in left if path.exists()]:
        for top in left:
            for folder, _, _ in os.walk(top, topdown=False):  # which does not mind that groups of ended pods vanish meanwhile
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
        if time.monotonic() > deadline:
            raise LabError(f"Cannot remove the control group {left[0]}: something still runs in it. Look: cat {left[0]}/cgroup.procs")
        time.sleep(0.05)


def _trees() -> list[Path]:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return [Path(fields[1]) for fields in mounts if fields[2] in {"cgroup", "cgroup2"}]
