"""What Velero's log says of hooks, line by line. Pure.

A backup's log names the entry and the container of each command, but not its pod, and the line about a failure names neither; the shell of a wrapped
command adds its pod and exit code. A restore's hooks are not in its log: Velero's own log has them, each line with its pod. The commands stand in both
logs in clear, since Velero writes them there, and are taken out of what leaves the cluster.
Source: velero v1.18.3, pkg/podexec/pod_command_executor.go, internal/hook/wait_exec_hook_handler.go.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from .hooks import ENTRY, MARK

OUTPUT_CHARACTERS = 500
_LINES = 300_000
"""Lines about hooks that are read, 3 or 4 for each command in each pod; of what ended well nothing but that is kept."""
_ERRORS = 1_000
_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')
_COMMAND = re.compile(rb'hookCommand=(?:"(?:[^"\\]|\\.)*"|\S+)')
_ADDRESS = re.compile(r"/exec\?[^\s\"']*")
_MARKED = re.compile(rf"{MARK} pod=(\S+) exit=(\d+)\s*$")
_ABOUT = (f"hookName={ENTRY}".encode(), b"Error executing hook", b"post-restore")


@dataclass
class HookLines:
    """What was read so far."""

    started: Counter[int] = field(default_factory=Counter)
    idle: Counter[int] = field(default_factory=Counter)
    """Commands that were not run since their pod had ended."""
    exits: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)
    """(entry, host name of the pod) -> (exit code, what it wrote), by wrapped commands."""
    errors: dict[str, list[str]] = field(default_factory=dict)
    """Phase -> errors, in the order in which they came."""
    seen: int = 0

    def take(self, raw: bytes, /) -> None:
        """Read one line of a log."""
        if self.seen >= _LINES or not any(mark in raw for mark in _ABOUT):
            return
        self.seen += 1
        line = fields_of(raw.decode(errors="replace"))
        message, name = line.get("msg", ""), line.get("hookName", "")
        if message == "Error executing hook":
            of_phase = self.errors.setdefault(line.get("hookPhase", ""), [])
            del of_phase[: -_ERRORS + 1]
            of_phase.append(without_address(line.get("error", ""))[:OUTPUT_CHARACTERS])
        elif name.removeprefix(ENTRY).isdigit():
            self._take_entry(int(name.removeprefix(ENTRY)), message)

    def _take_entry(self, entry: int, message: str) -> None:
        if message == "running exec hook":
            self.started[entry] += 1
        elif message.startswith("Pod entered phase"):
            self.idle[entry] += 1
        elif message.startswith("stderr: ") and (found := _MARKED.search(message)):
            output = message.removeprefix("stderr: ")[: found.start() - len("stderr: ")].strip()
            code = int(found[2])
            self.exits[entry, found[1]] = code, output[-OUTPUT_CHARACTERS:] if code else ""


def fields_of(line: str, /) -> dict[str, str]:
    """Return the fields of a line in logrus's text form."""
    return dict(_pairs(line))


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    for found in _PAIR.finditer(line):
        key, value = found.groups()
        yield key, _plain(value) if value.startswith('"') else value


def _plain(quoted: str) -> str:
    escapes = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda found: escapes.get(found[1], found[1]), quoted[1:-1])


def without_commands(log: bytes, /) -> bytes:
    """Return a log without the commands of hooks, which may hold passwords."""
    return _COMMAND.sub(b"hookCommand=(not shown)", log)


def without_address(text: str, /) -> str:
    """Return an error without the address of the call, which holds the command."""
    return _ADDRESS.sub("/exec?…", text)
