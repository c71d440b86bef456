"""Take a lab down so that nothing is left: processes, mounts, namespaces, cables, control groups, files.

Works on whatever `up` got to before it was killed. A node lab ends by ending process 1 of its process namespace; the kernel does the
rest. Strays are found by the random word every process of the lab has in its environment, so no number is trusted alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from . import cgroup, network, state
from .errors import LabError
from .kernel import Process
from .state import Record

_DEADLINE_SECONDS = 30


def take_down(name: str, *, report: Callable[[str], None]) -> None:
    """Remove every trace of a lab."""
    home = state.directory(name)
    if not home.exists():
        report(f'there is no lab "{name}"')
        return
    _end_processes(name)
    # An `up` that was under way has lost its holder and fails now; wait for it to let go.
    with state.locked(home / ".lock", timeout_seconds=_DEADLINE_SECONDS, busy=f'`up` of the lab "{name}" still runs'):
        _end_processes(name)
        record = state.find(name)
        if record and record.number:
            network.disconnect(record)
            cgroup.remove(name)
        _delete(home)
    report(f'the lab "{name}" is gone')


def _end_processes(name: str) -> None:
    holder = state.find_holder(name)
    record = state.find(name)
    deadline = time.monotonic() + _DEADLINE_SECONDS
    if holder:
        holder.send(signal.SIGKILL)
    while (holder and holder.is_alive()) or (record and _strays(record)):
        for stray in _strays(record) if record else []:
            stray.send(signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(f'Cannot end the processes of the lab "{name}": they do not die. Look: python -m lab status')
        time.sleep(0.02)


def _strays(record: Record) -> list[Process]:
    word = f"CLOUDCASA_LAB_TOKEN={record.token}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if word in (entry / "environ").read_bytes().split(b"\0") and int(entry.name) != os.getpid():
                found.append(Process.of(int(entry.name)))
        except OSError:
            continue
    return found


def _delete(home: Path) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while home.exists():
        shutil.rmtree(home, ignore_errors=True)
        if home.exists() and time.monotonic() > deadline:
            raise LabError(f"Cannot delete {home}: something is still mounted or written there. Look: ls -lR {home}")
