"""Cables of a node lab: one to the host, and one to each peer lab. No default route, so nothing beyond the machine is in reach.

The host's end of a lab's cable is ccl<N> with 10.77.<N>.1; the lab's end is `host` with 10.77.<N>.2. A peer's cable joins two labs
directly. When a lab's network namespace goes, the kernel takes the cables with it. The host's settings and firewall are never touched.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from .errors import LabError
from .pki import SERVICE_CIDR
from .state import Record

HOST_END = "host"
"""The name of the cable to the host, inside the lab."""


def device(record: Record) -> str:
    """Return the name of the host's end of a lab's cable."""
    return f"ccl{record.number}"


def connect(record: Record, *, holder: int) -> None:
    """Join the lab's network to the host, unless it is."""
    name = device(record)
    if Path("/sys/class/net", name).exists():
        return
    _run(f"ip link add {name} type veth peer name {HOST_END} netns {holder}")
    _run(f"ip link set {name} addrgenmode none")
    _run(f"ip addr add {record.host_address}/24 dev {name}")
    _run(f"ip link set {name} up")
    _inside(holder, f"ip link set {HOST_END} addrgenmode none")
    _inside(holder, f"ip addr add {record.address}/24 dev {HOST_END}")
    _inside(holder, f"ip link set {HOST_END} up")
    # Without a route to services, the kernel refuses a connection before kube-proxy's rules can turn it to a pod.
    _inside(holder, f"ip route add {SERVICE_CIDR} dev {HOST_END} src {record.address}")


def join(one: Record, *, holder: int, other: Record, other_holder: int) -> None:
    """Lay a cable between two labs, so that each reaches the other's address and, through it, its pods."""
    if subprocess.run(_enter(holder, f"ip link show peer{other.number}"), capture_output=True, check=False).returncode == 0:
        return
    _run(f"ip link add peer{other.number} netns {holder} type veth peer name peer{one.number} netns {other_holder}")
    for near, pid, far in ((one, holder, other), (other, other_holder, one)):
        end = f"peer{far.number}"
        _inside(pid, f"ip link set {end} addrgenmode none")
        _inside(pid, f"ip addr add {near.address}/32 dev {end}")
        _inside(pid, f"ip link set {end} up")
    for near, pid, far in ((one, holder, other), (other, other_holder, one)):
        end = f"peer{far.number}"
        _inside(pid, f"ip route replace {far.address}/32 dev {end} src {near.address}")
        _inside(pid, f"ip route replace {far.pod_cidr} via {far.address} dev {end} onlink src {near.address}")


def disconnect(record: Record) -> None:
    """Remove the host's end of the cable, if it is still there."""
    if record.number and Path("/sys/class/net", device(record)).exists():
        subprocess.run(["ip", "link", "delete", device(record)], capture_output=True, check=False)


def _enter(holder: int, command: str) -> list[str]:
    return ["nsenter", f"--net=/proc/{holder}/ns/net", "--", *command.split()]


def _inside(holder: int, command: str) -> None:
    _check(_enter(holder, command), command)


def _run(command: str) -> None:
    _check(command.split(), command)


def _check(argv: list[str], command: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"Cannot lay the lab's cable: `{command}` said: {done.stderr.strip()}")
