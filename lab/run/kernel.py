"""The few Linux calls Python 3.11 has no words for: namespaces, mounts, death signals, and who a process is.

Thin wrappers over libc, used by the holder (which builds the lab's private world) and by readiness probes (which look into the lab's
network). A process is known by number AND start time: numbers are recycled, the pair is not. Source: unshare(2), setns(2), mount(2),
prctl(2), proc_pid_stat(5).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by the flags for new ones."""
    _check(_libc.unshare(flags), "unshare")


def mount(target: str | Path, *, source: str | Path | None = None, kind: str | None = None, flags: int = 0, data: str = "") -> None:
    """Attach a file system to the tree, or change how one is attached; the flags are those of the system call."""
    encoded = [os.fsencode(source) if source is not None else None, os.fsencode(target), kind.encode() if kind else None]
    _check(_libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), data.encode() or None), f"mount {target}")


def bind(source: str | Path, *, target: str | Path, recursive: bool = False) -> None:
    """Show a file or directory at a second place, without sharing later mounts between the two."""
    mount(target, source=source, flags=MS_BIND | (MS_REC if recursive else 0))
    mount(target, flags=MS_PRIVATE | (MS_REC if recursive else 0))


def set_hostname(name: str) -> None:
    """Name the machine inside the current UTS namespace."""
    socket.sethostname(name)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


@contextlib.contextmanager
def network_of(pid: int | None) -> Iterator[None]:
    """Make the calling thread, and no other, see the network of a process; None is one's own.

    A socket opened inside keeps that network for life, so the block need only hold its creation.
    """
    if pid is None:
        yield
        return
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        other = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc.setns(other, CLONE_NEWNET), "setns")
        finally:
            os.close(other)
        try:
            yield
        finally:
            _check(_libc.setns(own, CLONE_NEWNET), "setns")
    finally:
        os.close(own)


def boot_id() -> str:
    """Return the kernel's name for this boot; start times are only comparable within one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True)
class Process:
    """One process, told apart from a later one with the same number."""

    pid: int
    start: int
    """Clock ticks from boot to its start."""
    boot: str

    @classmethod
    def of(cls, pid: int) -> Process:
        """Return the identity of a living process; raise ProcessLookupError if there is none."""
        start = _start_time(pid)
        if start is None:
            raise ProcessLookupError(pid)
        return cls(pid=pid, start=start, boot=boot_id())

    def is_alive(self) -> bool:
        """Say whether exactly this process still runs; a zombie does not."""
        return self.boot == boot_id() and _start_time(self.pid) == self.start

    def send(self, number: signal.Signals) -> None:
        """Signal exactly this process, or nobody."""
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                if self.is_alive():
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)


def _start_time(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
