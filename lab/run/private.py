"""Run a program that sees a /tmp/NAME of its own: `python -m lab.run.private NAME DIRECTORY -- COMMAND…`.

Velero outside a pod writes credentials to /tmp/credentials, with no setting to move it (velero v1.18.3,
internal/credentials/file_store.go). Two labs, or two users, would meet there, and `down` would leave secrets behind. So the program gets
a mount namespace in which /tmp has what it has, but NAME is a directory of the lab. Without root that takes a user namespace; where the
machine forbids those, the program runs as it is and the log says so.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import kernel

TMP = Path("/tmp")


def main() -> None:
    """Build the view and become the program."""
    parser = argparse.ArgumentParser(description="Run a command with a directory of its own under /tmp (internal).")
    parser.add_argument("name")
    parser.add_argument("directory", type=Path)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    try:
        _own_mounts()
    except OSError as e:
        print(f"Without a mount namespace ({e}), {TMP / arguments.name} is shared with the machine.", file=sys.stderr, flush=True)
    else:
        _replace(arguments.name, store=arguments.directory)
    os.execvp(arguments.command[0], arguments.command)


def _own_mounts() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        kernel.unshare(kernel.CLONE_NEWNS)
    else:
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    kernel.mount("/", flags=kernel.MS_REC | kernel.MS_PRIVATE)


def _replace(name: str, *, store: Path) -> None:
    """Show what /tmp has in a new /tmp, with one name pointing elsewhere."""
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    view, own = store / "view", store / name
    for path in (view, own):
        path.mkdir(mode=0o700, exist_ok=True)
    kernel.mount(view, source="lab", kind="tmpfs", flags=kernel.MS_NOSUID | kernel.MS_NODEV, data="mode=1777,size=1g")
    for entry in TMP.iterdir():
        if entry.name != name:
            _show(entry, place=view / entry.name)
    (view / name).mkdir()
    kernel.bind(own, target=view / name)
    kernel.mount(TMP, source=view, flags=kernel.MS_BIND | kernel.MS_REC)


def _show(entry: Path, *, place: Path) -> None:
    if entry.is_symlink():
        place.symlink_to(entry.readlink())
        return
    place.mkdir() if entry.is_dir() else place.touch()
    try:
        kernel.bind(entry, target=place, recursive=True)
    except FileNotFoundError:  # deleted meanwhile
        place.rmdir() if place.is_dir() else place.unlink()


if __name__ == "__main__":
    main()
