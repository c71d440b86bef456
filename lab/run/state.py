"""What a lab writes down about itself, and where: one directory for each lab, closed to other users.

${XDG_STATE_HOME:-~/.local/state}/cloudcasa-lab/NAME holds lab.json (this record), holder.json (the process that holds the lab together,
written before that process does anything), pki/, conf/, log/ and the parts' data. Everything is written whole or not at all, so a
command killed half way leaves a record `down` can act on.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import fcntl
import json
import os
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .errors import LabError
from .kernel import Process

Profile = Literal["control", "node"]

NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")
PORTS = (
    "etcd",
    "etcd-peer",
    "apiserver",
    "controller-manager",
    "scheduler",
    "s3",
    "velero-metrics",
    "kwok",
    "postgres",
    "mongo",
    "azurite",
)
FIXED_PORTS = {
    "etcd": 2379, "etcd-peer": 2380, "apiserver": 6443, "controller-manager": 10257, "scheduler": 10259, "s3": 7070,
    "velero-metrics": 8085, "kwok": 10247, "postgres": 5433, "mongo": 27017, "azurite": 10000,
}  # fmt: skip
"""The ports of a node lab, whose network is its own."""


@dataclass(frozen=True)
class Record:
    """One lab as recorded: what was chosen for it when it was first brought up."""

    name: str
    profile: Profile
    address: str
    ports: dict[str, int]
    number: int
    """N of 10.77.N.0/24 and 10.78.N.0/24; 0 for a control lab, which uses loopback."""
    token: str
    """Random word in the environment of every process of the lab, by which strays are found."""
    s3_access_key: str
    s3_secret_key: str
    azurite_key: str
    parts: list[str] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)

    @property
    def pod_cidr(self) -> str:
        """The addresses of pods."""
        return f"10.78.{self.number}.0/24" if self.number else "10.78.0.0/24"

    @property
    def pod_gateway(self) -> str:
        """The address of the bridge the pods hang on."""
        return f"10.78.{self.number}.1"

    @property
    def host_address(self) -> str:
        """The host's end of the cable to the lab."""
        return f"10.77.{self.number}.1"

    @property
    def api_url(self) -> str:
        """Where the API server answers, from the host, the lab and its pods alike."""
        return f"https://{self.address}:{self.ports['apiserver']}"

    @property
    def s3_url(self) -> str:
        """Where the object store answers."""
        return f"http://{self.address}:{self.ports['s3']}"


def base() -> Path:
    """Return the directory that holds all labs of this user."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    return Path(home).absolute() / "cloudcasa-lab"


def directory(name: str) -> Path:
    """Return a lab's directory; raise LabError for a name that cannot be one."""
    if not NAME.fullmatch(name):
        raise LabError(f'Cannot use "{name}" as a lab\'s name: 1 to 24 lower-case letters, digits and dashes, a letter first.')
    return base() / name


def names() -> list[str]:
    """List the labs there are records of."""
    return sorted(path.parent.name for path in base().glob("*/lab.json"))


def write(path: Path, text: str) -> None:
    """Write a file for the owner's eyes, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    partial.rename(path)


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON, whole or not at all."""
    write(path, json.dumps(value, indent=1))


def read_json(path: Path) -> Any:
    """Return the value in a JSON file, or None when there is no such file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def find(name: str) -> Record | None:
    """Return a lab's record, or None."""
    found = read_json(directory(name) / "lab.json")
    return Record(**found) if found else None


def get(name: str) -> Record:
    """Return a lab's record, or say that there is no such lab."""
    record = find(name)
    if record is None:
        known = ", ".join(names()) or "none"
        raise LabError(f'There is no lab "{name}" (there is: {known}). Bring it up: python -m lab up --name {name}')
    return record


def save(record: Record) -> None:
    """Store a lab's record."""
    write_json(directory(record.name) / "lab.json", dataclasses.asdict(record))


def find_holder(name: str) -> Process | None:
    """Return the process that holds a lab together as recorded, alive or not."""
    found = read_json(directory(name) / "holder.json")
    return Process(**found) if found else None


def create(name: str, *, profile: Profile) -> Record:
    """Choose addresses, ports and credentials for a new lab and record them."""
    home = directory(name)
    base().mkdir(parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    for part in ("pki", "conf", "log", "done"):
        (home / part).mkdir(mode=0o700, exist_ok=True)
    with locked(base() / ".lock", timeout_seconds=30, busy="another lab is being created"):
        number = _free_number() if profile == "node" else 0
        record = Record(
            name=name,
            profile=profile,
            address=f"10.77.{number}.2" if number else "127.0.0.1",
            ports=FIXED_PORTS if number else _free_ports(),
            number=number,
            token=secrets.token_hex(16),
            s3_access_key="LAB" + secrets.token_hex(8).upper(),
            s3_secret_key=secrets.token_urlsafe(30),
            azurite_key=base64.b64encode(secrets.token_bytes(64)).decode(),
        )
        save(record)
    return record


def _free_number() -> int:
    taken = {record.number for record in map(find, names()) if record}
    routes = subprocess.run(["ip", "-4", "route", "show", "table", "all"], capture_output=True, text=True, check=True).stdout
    for number in range(1, 255):
        if number not in taken and f" 10.77.{number}." not in f" {routes}" and f" 10.78.{number}." not in f" {routes}":
            return number
    raise LabError(
        "Cannot find a free network for the lab: 10.77.1.0/24 to 10.77.254.0/24 are all in use. Take labs down: python -m lab down --all"
    )


def _free_ports() -> dict[str, int]:
    taken = {port for record in map(find, names()) if record for port in record.ports.values()}
    with contextlib.ExitStack() as stack:
        chosen: dict[str, int] = {}
        while len(chosen) < len(PORTS):
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            if port not in taken:
                chosen[PORTS[len(chosen)]] = port
        return chosen


@contextlib.contextmanager
def locked(path: Path, *, timeout_seconds: float, busy: str) -> Iterator[None]:
    """Hold a lock that the kernel gives back when the process ends, however it ends."""
    deadline = time.monotonic() + timeout_seconds
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LabError(f"Cannot go on: {busy}. Wait for it to end, then try again.") from None
                time.sleep(0.05)
        yield
