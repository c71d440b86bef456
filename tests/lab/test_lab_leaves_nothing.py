"""A lab that is taken down leaves no trace on the machine, wherever `up` was killed.

Other labs and other work may run beside these tests, so traces are looked for by what names them: the lab's directory, its token, its
cable, its control groups, its namespaces; and what belongs to the whole machine (settings, firewall, loop devices) is compared.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.run import Lab, state
from lab.run.network import device
from lab.run.world import KUBELET_SYSCTLS

pytestmark = pytest.mark.lab
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a node lab needs root")
NAMESPACES = ("mnt", "net", "pid", "ipc", "uts")


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab(f"lr-leaves-{os.getpid() % 1000}")
    yield made
    made.down()


def said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def machine_state() -> dict[str, str]:
    """What is the whole machine's, and must be as it was."""
    settings = {
        name: Path("/proc/sys", name).read_text() for name in (*KUBELET_SYSCTLS, "net/ipv4/ip_forward", "net/netfilter/nf_conntrack_max")
    }
    if os.geteuid() == 0:
        settings["firewall"] = "\n".join(line for line in said("iptables-save").splitlines() if not line.startswith("#"))
        settings["loop devices"] = said("losetup", "--all")
    settings["credentials of Velero"] = str(Path("/tmp/credentials").exists())
    settings["default route"] = said("ip", "route", "show", "default")
    return settings


def namespaces_of(pid: int) -> set[str]:
    return {str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in NAMESPACES}


def traces(lab: Lab, *, cable: str, namespaces: set[str]) -> list[str]:
    """Everything on the machine that is this lab's."""
    found = [f"cable {cable}"] if cable and Path("/sys/class/net", cable).exists() else []
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/cloudcasa-lab-{lab.name}")]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(lab.home) in line]
    found += [str(lab.home)] if lab.home.exists() else []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if int(entry.name) != os.getpid() and str(lab.home).encode() in words:
                found.append(f"process {entry.name}: {words[:200]!r}")
            if namespaces & namespaces_of(int(entry.name)):
                found.append(f"process {entry.name} in the lab's namespaces")
        except OSError:
            continue
    return found


def up_until(lab: Lab, *, profile: str, marker: str) -> None:
    """Run the command, and kill it without warning as soon as it says the marker; an empty one is its very beginning."""
    argv = [sys.executable, "-m", "lab", "up", "--name", lab.name, "--profile", profile]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as command:
        if marker:
            assert command.stderr
            assert any(marker in line for line in command.stderr), f"{marker} was never said"
        else:
            while not lab.home.exists() and command.poll() is None:
                pass
        command.send_signal(signal.SIGKILL)


def look_at(lab: Lab) -> tuple[str, set[str]]:
    """Return the lab's cable and the namespaces that are its own."""
    record, holder = state.find(lab.name), state.find_holder(lab.name)
    own = namespaces_of(holder.pid) - namespaces_of(os.getpid()) if holder and holder.is_alive() else set()
    return device(record) if record and record.number else "", own


@needs_root
@pytest.mark.node
@pytest.mark.parametrize("marker", ["", "holder is process", "containerd ready", "kubelet ready", "is up:"])
def test_node_lab_leaves_nothing_wherever_up_was_killed(lab: Lab, marker: str) -> None:
    before = machine_state()
    up_until(lab, profile="node", marker=marker)
    cable, own = look_at(lab)
    assert traces(lab, cable=cable, namespaces=own)
    lab.down()
    assert traces(lab, cable=cable, namespaces=own) == []
    assert machine_state() == before


@pytest.mark.parametrize("marker", ["", "holder is process", "etcd ready", "is up:"])
def test_control_lab_leaves_nothing_wherever_up_was_killed(lab: Lab, marker: str) -> None:
    before = machine_state()
    up_until(lab, profile="control", marker=marker)
    lab.down()
    assert traces(lab, cable="", namespaces=set()) == []
    assert machine_state() == before


def test_up_goes_on_where_a_killed_one_stopped(lab: Lab) -> None:
    up_until(lab, profile="control", marker="etcd ready")
    lab.up("control")
    assert lab.kubectl("get", "--raw", "/readyz") == "ok"


def test_control_lab_ends_with_its_holder(lab: Lab) -> None:
    lab.up("control")
    holder = state.find_holder(lab.name)
    assert holder
    holder.send(signal.SIGKILL)
    lab.down()
    assert traces(lab, cable="", namespaces=set()) == []
