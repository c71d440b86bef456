"""What a build needs of the machine, checked before it starts: commands, rights, space, memory.

Every complaint is one sentence that says what is missing and the command that mends it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from .errors import MissingError

GO_VERSION = (1, 26)
COLD_BUILD_BYTES = 12 << 30
"""Free space that a build of everything from nothing takes: module cache, build cache, binaries, images."""
LINK_MEMORY_BYTES = 3 << 30
"""Memory that linking Kubernetes takes at its height."""

PACKAGES = {
    "buildah": "buildah",
    "busybox": "busybox-static",
    "containerd": "containerd",
    "ctr": "containerd",
    "debootstrap": "debootstrap",
    "etcd": "etcd-server",
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "runc": "runc",
    "setpriv": "util-linux",
    "tar": "tar",
    "unshare": "util-linux",
    "zstd": "zstd",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}
"""Which Debian package has a command or a file."""


def require(commands: Iterable[str], *, root: bool = False) -> None:
    """Raise MissingError unless all the commands (or files, when absolute) are there, and the rights of root if asked for."""
    absent = [command for command in commands if not _has(command)]
    if sentence := missing_sentence(absent):
        raise MissingError(sentence)
    if "go" in commands:
        _require_go()
    if root and os.geteuid() != 0:
        raise MissingError("This part of the lab needs root: run the same command with `sudo`.")


def missing_sentence(absent: Sequence[str]) -> str | None:
    """Return the sentence for the commands that are absent, or None when there are none."""
    if not absent:
        return None
    names = ", ".join(absent)
    packages = sorted({PACKAGES[name] for name in absent if name in PACKAGES})
    if packages:
        return f"The lab needs {names}: install with `apt-get install -y {' '.join(packages)}`."
    if "go" in absent:
        return f"The lab needs Go {GO_VERSION[0]}.{GO_VERSION[1]} or newer: install it and put its `bin` directory on PATH."
    if "npm" in absent:
        return "The lab needs npm for Azurite: install with `apt-get install -y npm`, or any Node.js 20 or newer."
    return f"The lab needs {names}: install it and put it on PATH."


def require_room(folder: Path) -> None:
    """Raise MissingError unless a build from nothing fits the disk and the memory."""
    free = shutil.disk_usage(_existing(folder)).free
    if free < COLD_BUILD_BYTES:
        raise MissingError(
            f"The first build needs {COLD_BUILD_BYTES >> 30} GiB free, and {folder} has {free >> 30} GiB: free some, "
            "or point XDG_CACHE_HOME to a larger disk."
        )
    available = _available_memory()
    if available < LINK_MEMORY_BYTES:
        raise MissingError(
            f"The first build needs {LINK_MEMORY_BYTES >> 30} GiB of memory, and {available >> 20} MiB are available: "
            "stop other programs, or add swap and try again."
        )


def go_version(output: str) -> tuple[int, int]:
    """Return (major, minor) out of what `go version` prints."""
    found = re.search(r"go(\d+)\.(\d+)", output)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _require_go() -> None:
    output = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    if go_version(output) < GO_VERSION:
        raise MissingError(
            f"The lab needs Go {GO_VERSION[0]}.{GO_VERSION[1]} or newer, and this machine has {output.strip()!r}: install a newer one "
            "and put its `bin` directory first on PATH."
        )


def _has(name: str) -> bool:
    return Path(name).exists() if name.startswith("/") else shutil.which(name, path=_search_path()) is not None


def _search_path() -> str:
    # A user's PATH on Debian lacks the directories where half of these commands live.
    return os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return LINK_MEMORY_BYTES
