"""The private world of a node lab: its own mounts, processes and network, so that leaving it is deleting it.

Called once by `lab.run.launch`, as process 1 of the new namespaces, before anything runs in them. What a node writes to fixed paths
(/run, /var/lib) goes to the lab; the kernel's settings are read-only except those of the lab's own network, and the six that kubelet
insists on writing are ordinary files here, so the host's stay as they are. Source: mount_namespaces(7), kubelet's
pkg/kubelet/cm/container_manager_linux.go (setupKernelTunables).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from . import kernel
from .kernel import MS_BIND, MS_MOVE, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT, MS_SHARED, MS_SLAVE

KUBELET_SYSCTLS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
"""Settings of the whole machine that kubelet sets; there is no switch that keeps it from writing them."""

COVERED = ("/run", "/var/lib")
"""Directories a lab sees its own, empty version of; a lab's state and binaries must lie elsewhere."""

_PLAIN = MS_NOSUID | MS_NODEV | MS_NOEXEC


def enter(home: Path, *, hostname: str) -> None:
    """Turn the fresh namespaces around this process into the lab's machine."""
    kernel.mount("/", flags=MS_REC | MS_SLAVE)
    kernel.mount("/", flags=MS_REC | MS_SHARED)
    kernel.set_hostname(hostname)
    kernel.mount("/proc", source="proc", kind="proc", flags=_PLAIN)
    _shield_kernel_settings(home / "node/sysctl")
    _own_sysfs(home / "node/cgroup")
    _own_directories(home)
    _own_resolver(home / "conf/resolv.conf")
    for argv in (["ip", "link", "set", "lo", "up"],):
        subprocess.run(argv, check=True)
    for name in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables"):
        setting = Path("/proc/sys/net", name)
        if setting.exists():
            setting.write_text("1")


def _shield_kernel_settings(store: Path) -> None:
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    network = os.open("/proc/sys/net", os.O_PATH)
    values = {name: Path("/proc/sys", name).read_text() for name in KUBELET_SYSCTLS if Path("/proc/sys", name).exists()}
    kernel.bind("/proc/sys", target="/proc/sys")
    kernel.mount("/proc/sys", flags=MS_REMOUNT | MS_BIND | MS_RDONLY | _PLAIN)
    kernel.bind(f"/proc/self/fd/{network}", target="/proc/sys/net")
    os.close(network)
    for name, value in values.items():
        copy = store / name.replace("/", ".")
        copy.write_text(value)
        kernel.bind(copy, target=f"/proc/sys/{name}")


def _own_sysfs(aside: Path) -> None:
    """Show the lab's own network devices under /sys, with the machine's control groups where they were."""
    aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    kernel.mount(aside, source="/sys/fs/cgroup", flags=MS_BIND | MS_REC)
    kernel.mount(aside, flags=MS_PRIVATE | MS_REC)
    kernel.mount("/sys", source="sysfs", kind="sysfs", flags=_PLAIN)
    kernel.mount("/sys", flags=MS_PRIVATE)
    parent = _mount_of(aside)
    kernel.mount(parent, flags=MS_PRIVATE)
    kernel.mount("/sys/fs/cgroup", source=aside, flags=MS_MOVE)
    kernel.mount(parent, flags=MS_SHARED)
    kernel.mount("/sys", flags=MS_REC | MS_SHARED)


def _mount_of(path: Path) -> Path:
    """Return the mount point that holds the directory a mount sits on; a mount cannot be moved out of a shared one."""
    holder = path.parent
    while not holder.is_mount():
        holder = holder.parent
    return holder


def _own_directories(home: Path) -> None:
    for path in COVERED:
        kernel.mount(path, source="lab", kind="tmpfs", flags=MS_NOSUID | MS_NODEV, data="mode=755,size=256m")
    Path("/run/lab").mkdir(mode=0o700)
    Path("/run/lock").mkdir(mode=0o1777)
    kubelet = home / "node/kubelet"
    kubelet.mkdir(mode=0o755, parents=True, exist_ok=True)
    Path("/var/lib/kubelet").mkdir()
    kernel.bind(kubelet, target="/var/lib/kubelet")
    kernel.mount("/var/lib/kubelet", flags=MS_SHARED)


def _own_resolver(resolver: Path) -> None:
    resolver.write_text("nameserver 10.96.0.10\nsearch svc.cluster.local cluster.local\noptions timeout:2 attempts:1\n")
    resolver.chmod(0o644)
    if Path("/etc/resolv.conf").exists():
        kernel.bind(resolver, target=Path("/etc/resolv.conf").resolve())
