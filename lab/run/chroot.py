"""Run a program out of another system's root: `python -m lab.run.chroot ROOT --user U [--bind SOURCE:TARGET] -- COMMAND…`.

A mount namespace of its own keeps the mounts private and, as the program replaces this one, they go when it goes. Used for PostgreSQL
with DocumentDB, which only a newer Debian has.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from . import kernel


def main() -> None:
    """Build the view, step into it, drop root and become the program."""
    parser = argparse.ArgumentParser(description="Run a command inside another root directory (internal).")
    parser.add_argument("root", type=Path)
    parser.add_argument("--user", default="root")
    parser.add_argument("--bind", action="append", default=[], metavar="SOURCE:TARGET")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    root: Path = arguments.root
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount(root / "proc", source="proc", kind="proc", flags=kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    kernel.bind("/dev", target=root / "dev", recursive=True)
    for pair in arguments.bind:
        source, _, target = pair.partition(":")
        kernel.bind(source, target=root / target.lstrip("/"))
    os.chroot(root)
    os.chdir("/")
    uid, gid = find_user(arguments.user, table=Path("/etc/passwd").read_text())
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    os.execvp(arguments.command[0], arguments.command)


def find_user(name: str, *, table: str) -> tuple[int, int]:
    """Return the user and group number of a name in a passwd table."""
    for line in table.splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2]), int(fields[3])
    raise SystemExit(f'There is no user "{name}" in this root.')


if __name__ == "__main__":
    main()
