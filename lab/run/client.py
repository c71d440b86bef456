"""Talk to a lab's holder: start and signal its parts, ask what runs, and find the host's numbers for the lab's processes."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import LabError
from .holder import SOCKET
from .kernel import Process


@dataclass(frozen=True)
class Running:
    """One part as its holder knows it."""

    part: str
    pid: int
    """Its number inside the lab."""
    argv: tuple[str, ...]
    started_at: float
    exit_status: int | None
    """None while it runs; negative is the signal that ended it."""


class Client:
    """The holder of one lab, as seen from the host."""

    def __init__(self, home: Path, *, holder: Process) -> None:
        """Name the lab's directory and its holder, which need not answer yet."""
        self.home = home
        self.holder = holder

    def ask(self, **request: object) -> dict[str, Any]:
        """Send one request and return the answer; raise LabError when nobody answers or the answer is trouble."""
        folder = os.open(self.home, os.O_PATH)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(30)
                connection.connect(f"/proc/self/fd/{folder}/{SOCKET}")
                with connection.makefile("rwb") as stream:
                    stream.write(json.dumps(request).encode() + b"\n")
                    stream.flush()
                    answer: dict[str, Any] = json.loads(stream.readline() or "{}")
        except OSError as e:
            name = self.home.name
            raise LabError(f'The lab "{name}" does not answer ({e}). Start it anew: python -m lab down --name {name}, then up.') from e
        finally:
            os.close(folder)
        if "trouble" in answer:
            raise LabError(f'Cannot {request["op"]} "{request.get("part", "")}" in the lab "{self.home.name}": {answer["trouble"]}.')
        return answer

    def parts(self) -> dict[str, Running]:
        """Return every part started in this lab, ended ones included."""
        found = self.ask(op="list")["parts"]
        return {
            name: Running(part=name, pid=one["pid"], argv=tuple(one["argv"]), started_at=one["started_at"], exit_status=one["exit_status"])
            for name, one in found.items()
        }

    def find(self, part: str) -> Running | None:
        """Return a part that was started in this lab, or None."""
        return self.parts().get(part)

    def host_pids(self) -> dict[int, int]:
        """Return the host's number for each process of the lab, by the number it has inside."""
        world = Path(f"/proc/{self.holder.pid}/ns/pid_for_children").readlink()
        found: dict[int, int] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "ns/pid").readlink() == world:
                    status = (entry / "status").read_text()
                    inside = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1]
                    found[int(inside)] = int(entry.name)
            except OSError:
                continue
        return found


def rss_bytes(pid: int) -> int:
    """Return the memory a process holds; 0 for one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
