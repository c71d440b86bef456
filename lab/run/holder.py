"""The process that holds a lab together: it starts the lab's parts, notices their ends, and takes them all with it when it goes.

In a node lab it is process 1 of the lab's own process namespace, so that killing it makes the kernel end everything in the lab. In a
control lab (no root) it adopts orphans and every part asks the kernel to die with it. It does no work of its own and keeps to one
thread; `lab.run.client` talks to it over a socket in the lab's directory, one JSON line each way. Started by `lab.run.launch` only.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import kernel

SOCKET = "holder.sock"


@dataclass
class Child:
    """One part this process started."""

    pid: int
    argv: list[str]
    started_at: float
    exit_status: int | None = None
    """None while it runs; negative is the signal that ended it."""


class Holder:
    """Start, signal and list parts on request; reap whatever ends."""

    def __init__(self) -> None:
        """Begin with no parts."""
        self.children: dict[str, Child] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request; trouble goes back as text."""
        try:
            match request:
                case {"op": "start", "part": part, "argv": argv, "env": env, "cwd": cwd, "log": log}:
                    return self.start(part, argv=argv, env=env, cwd=cwd, log=log)
                case {"op": "signal", "part": part, "number": number}:
                    return self.signal(part, number=number)
                case {"op": "forget", "part": part}:
                    self.children.pop(part, None)
                    return {}
                case {"op": "list"}:
                    return {"parts": {name: vars(child) for name, child in self.children.items()}}
        except OSError as e:
            return {"trouble": str(e)}
        return {"trouble": f"unknown request {request.get('op')}"}

    def start(self, part: str, *, argv: list[str], env: dict[str, str], cwd: str, log: str) -> dict[str, Any]:
        """Start a part, unless one of that name runs."""
        known = self.children.get(part)
        if known and known.exit_status is None:
            return {"pid": known.pid, "already": True}
        pid = spawn(argv, env=env, cwd=cwd, log=log)
        self.children[part] = Child(pid=pid, argv=argv, started_at=time.time())
        return {"pid": pid, "already": False}

    def signal(self, part: str, *, number: int) -> dict[str, Any]:
        """Signal the process group of a part; a part that has ended is left alone."""
        child = self.children.get(part)
        if child and child.exit_status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
        return {}

    def reap(self) -> None:
        """Record the end of every child that ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self.children.values():
                if child.pid == pid and child.exit_status is None:
                    child.exit_status = os.waitstatus_to_exitcode(status)


def spawn(argv: list[str], *, env: dict[str, str], cwd: str, log: str) -> int:
    """Start a process in a session of its own that dies with this one; raise OSError if it cannot be executed."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _become(argv, env=env, cwd=cwd, log=log, trouble=writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        number = pipe.read()
    if number:
        raise OSError(int(number), f"{argv[0]}: {os.strerror(int(number))}")
    return pid


def _become(argv: list[str], *, env: dict[str, str], cwd: str, log: str, trouble: int) -> None:
    try:
        os.setsid()
        kernel.die_with_parent()
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (out, 1), (out, 2)):
            os.dup2(source, target)
        os.chdir(cwd)
        os.execvpe(argv[0], argv, env)
    except OSError as e:
        os.write(trouble, str(e.errno or errno.EIO).encode())
    finally:
        os._exit(127)


def serve(home: Path) -> None:
    """Answer requests until killed."""
    holder = Holder()
    wake_reader, wake_writer = socket.socketpair()
    for end in (wake_reader, wake_writer):
        end.setblocking(False)
    signal.set_wakeup_fd(wake_writer.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with listen(home) as server, selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(wake_reader, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if wake_reader in ready:
                wake_reader.recv(4096)
            holder.reap()
            if server in ready:
                _converse(server, holder)


def listen(home: Path) -> socket.socket:
    """Listen on the lab's socket, whose path may be longer than a socket address can be."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    (home / SOCKET).unlink(missing_ok=True)
    folder = os.open(home, os.O_PATH)
    server.bind(f"/proc/self/fd/{folder}/{SOCKET}")
    os.close(folder)
    server.listen(64)
    return server


def _converse(server: socket.socket, holder: Holder) -> None:
    connection, _ = server.accept()
    connection.settimeout(2)
    with connection, contextlib.suppress(OSError, ValueError), connection.makefile("rwb") as stream:
        request = json.loads(stream.readline())
        stream.write(json.dumps(holder.answer(request)).encode() + b"\n")
        stream.flush()


def main(home: Path) -> None:
    """Serve a lab; its private world, if it has one, is already around us."""
    try:
        serve(home)
    except Exception as e:
        sys.stderr.write(f"The holder ended: {e!r}\n")
        raise
