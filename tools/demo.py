"""The demo: a lab and a server on this machine, then the operator's playbook against them, from nothing to a verified restore.

    python -m tools.demo up      again and again: what is there is kept
    python -m tools.demo down    leaves nothing behind but the cache

With CLOUDCASA_DEMO_KUBECONFIG the cluster is yours: only what the demo still lacks is built and run (the server, and an object store
unless CLOUDCASA_DEMO_S3_ENDPOINT names one).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from lab.build import MissingError, image_ref
from lab.run import Lab, LabError

from .own_cluster import OwnCluster
from .system import System

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description="Protect an application on a real cluster, lose it, and bring it back.")
    parser.add_argument("command", choices=["up", "down"], help="up: run the demo; down: remove its lab and server")
    parser.add_argument("--name", default="demo", help="the lab it runs in (default: demo)")
    options = parser.parse_args()
    try:
        return down(options.name) if options.command == "down" else up(options.name)
    except (MissingError, LabError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def up(name: str) -> int:
    """Bring everything up and run the playbook."""
    began = time.monotonic()
    own = os.environ.get("CLOUDCASA_DEMO_KUBECONFIG")
    target = OwnCluster(Path(own)) if own else _lab(name)
    ready = time.monotonic()
    print(f"\nThe cluster, the object store and the server are up after {ready - began:.0f} s. Now the operator's playbook:\n", flush=True)
    status = _playbook(target.playbook_environment())
    if status == 0:
        print(_closing(target, whole_seconds=time.monotonic() - began, lab_seconds=ready - began))
    return status


def down(name: str) -> int:
    """Remove the demo's lab, and with it the server and all they stored."""
    if kubeconfig := OwnCluster.stop_all():
        print(f"Your cluster ({kubeconfig}) keeps the agent and the demo application. To remove them too:")
        print("  kubectl delete namespace demo-shop cloudcasa-io && kubectl delete clusterrolebinding cloudcasa-io velero-cloudcasa-io")
    Lab(name, report=lambda _line: None).down()
    print("The demo's lab and server are gone. What was built stays in the cache for the next time.")
    return 0


class LabTarget:
    """The demo on the lab's cluster."""

    def __init__(self, system: System) -> None:
        """Take a running system."""
        self.system = system

    def playbook_environment(self) -> dict[str, str]:
        """Return what the playbook needs to know."""
        env = self.system.env
        return {
            "CLOUDCASA_URL": self.system.url,
            "CLOUDCASA_CA_PATH": str(self.system.ca_path),
            "CLOUDCASA_API_KEY_FILE": str(self.system.key_path),
            "DEMO_KUBECONFIG": env["KUBECONFIG"],
            "DEMO_KUBECTL": env["LAB_KUBECTL"],
            "DEMO_IMAGE": image_ref("busybox"),
            "DEMO_S3_ENDPOINT": env["LAB_S3_ENDPOINT"],
            "DEMO_S3_BUCKET": env["LAB_S3_BUCKET"],
            "DEMO_S3_REGION": env["LAB_S3_REGION"],
            "DEMO_S3_ACCESS_KEY": env["LAB_S3_ACCESS_KEY"],
            "DEMO_S3_SECRET_KEY": env["LAB_S3_SECRET_KEY"],
        }


def _lab(name: str) -> LabTarget:
    began = time.monotonic()

    def report(line: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {line}", flush=True)

    lab = Lab(name)
    lab.up("node", report=report)
    system = System(lab)
    system.start()
    report(f"server ready at {system.url}")
    return LabTarget(system)


def _playbook(environment: Mapping[str, str]) -> int:
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventories/demo", "playbooks/demo.yml"]
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return subprocess.run(argv, cwd=ROOT, env={**os.environ, **settings, **environment}, check=False).returncode


def _closing(target: LabTarget | OwnCluster, *, whole_seconds: float, lab_seconds: float) -> str:
    environment = target.playbook_environment()
    return f"""
Done in {whole_seconds:.0f} s ({lab_seconds:.0f} s of them to bring cluster, store and server up).

  API          {environment["CLOUDCASA_URL"]}/api/v1/
  its CA       {environment["CLOUDCASA_CA_PATH"]}
  API key      in {environment["CLOUDCASA_API_KEY_FILE"]}
  KUBECONFIG   {environment["DEMO_KUBECONFIG"]}

Try next:
  curl --cacert {environment["CLOUDCASA_CA_PATH"]} -H "Authorization: Bearer $(cat {environment["CLOUDCASA_API_KEY_FILE"]})" \\
       {environment["CLOUDCASA_URL"]}/api/v1/jobs?sort=-start_time
  make demo        again: it says what is already there and goes through
  make demo-down   to remove the lab and the server
"""


if __name__ == "__main__":
    sys.exit(main())
