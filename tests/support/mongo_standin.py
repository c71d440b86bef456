"""The MongoDB stand-in (FerretDB v2 on PostgreSQL) without a lab around it: for tests that kill it, and for the benchmark.

The parts are the lab's, described in lab/run/parts.py and built by lab/build; here they are processes of the one who started them.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.build import ensure
from lab.run import parts, probe
from lab.run.part import Part
from lab.run.state import Record

_READY_SECONDS = 60.0


class MongoStandIn:
    """A database that answers at `url` while both of its processes run."""

    def __init__(self, home: Path) -> None:
        """Make an empty database in the directory, at ports that are free now."""
        built = ensure(["lab-ferretdb", "rootfs:documentdb"], report=lambda line: print(line, file=sys.stderr, flush=True))
        ports = {name: _free_port() for name in ("postgres", "mongo")}
        record = Record("standin", "control", "127.0.0.1", ports, 0, token="", s3_access_key="", s3_secret_key="", azurite_key="")
        root = built["rootfs:documentdb"]
        (home / "ferretdb").mkdir(parents=True)
        home.chmod(0o711)
        parts.create_database(record, home=home, root=root)
        self._home = home
        self._parts: dict[str, Part] = {
            "postgres": parts.postgres(record, home=home, root=root),
            "ferretdb": parts.ferretdb(record, home=home, binaries=built),
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.url = f"mongodb://127.0.0.1:{ports['mongo']}/"

    def start(self, *names: str) -> None:
        """Start both processes, or those named, and return when they answer."""
        for name in names or tuple(self._parts):
            part = self._parts[name]
            with (self._home / f"{name}.log").open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    part.argv, env={**os.environ, **part.env}, stdout=log, stderr=log, start_new_session=True
                )
            if part.ready is not None:
                probe.wait(name, until=part.ready(None), timeout_seconds=_READY_SECONDS, hint=f"See {self._home}/{name}.log")

    def kill(self, *names: str) -> None:
        """End both processes, or those named, at once and without a word to anybody. PostgreSQL's own children go with it."""
        for name in names or tuple(reversed(self._parts)):
            process = self._processes.pop(name, None)
            if process is not None:
                os.killpg(process.pid, signal.SIGQUIT if name == "postgres" else signal.SIGKILL)
                process.wait(timeout=30)

    def processor_seconds(self, name: str) -> float:
        """Return how much processor time a process and its children have used."""
        pid = self._processes[name].pid
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # ended meanwhile
            if pid in {int(path.parent.name), int(fields[1])}:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def mongo_standin(home: Path) -> Iterator[MongoStandIn]:
    """Give a running stand-in and end it afterwards."""
    standin = MongoStandIn(home)
    try:
        standin.start()
        yield standin
    finally:
        standin.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
