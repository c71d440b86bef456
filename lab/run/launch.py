"""Start a lab's holder, recorded before it lives: `python -m lab.run.launch DIRECTORY --token T [--node SETTINGS]`.

The order is what makes a killed command harmless: fork, write holder.json, only then let the child go on. A child whose launcher died
before that sees its pipe close and ends. Called by `lab.run.lab` only.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path

from . import holder, kernel, state, world

_NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC


def main() -> None:
    """Fork the holder, record it, let it go, and end once it answers."""
    parser = argparse.ArgumentParser(description="Start the process that holds a lab together (internal).")
    parser.add_argument("home", type=Path)
    parser.add_argument("--hostname", default="")
    parser.add_argument("--node", action="store_true", help="give it namespaces of its own")
    arguments = parser.parse_args()
    home: Path = arguments.home
    os.setsid()
    if arguments.node:
        kernel.unshare(_NAMESPACES)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    told, tell = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.close(told)
        _child(home, go=reader, tell=tell, hostname=arguments.hostname if arguments.node else "")
    os.close(tell)
    state.write_json(home / "holder.json", dataclasses.asdict(kernel.Process.of(pid)))
    os.write(writer, b"go")
    with os.fdopen(told, "rb") as pipe:
        trouble = pipe.read()
    if trouble != b"ok":
        raise SystemExit(json.dumps(trouble.decode()))


def _child(home: Path, *, go: int, tell: int, hostname: str) -> None:
    if os.read(go, 2) != b"go":
        os._exit(1)
    try:
        if hostname:
            world.enter(home, hostname=hostname)
        else:
            kernel.adopt_orphans()
        log = os.open(home / "log/holder.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.write(tell, b"ok")
    except OSError as e:
        os.write(tell, str(e).encode())
        os._exit(1)
    os.close(tell)
    holder.main(home)


if __name__ == "__main__":
    main()
