"""The agent is taken off a cluster by the module and comes back: nothing hangs, and what was backed up before is restored."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.protected import Protected, protect

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]


def agent_module(protected: Protected, state: str) -> str:
    """Run cloudcasa.core.agent as an operator would; return what it said."""
    system = protected.system
    cluster = protected.client.get(f"kubeclusters/{protected.cluster_id}")["name"]
    environment = {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "CLOUDCASA_URL": system.url,
        "CLOUDCASA_CA_PATH": str(system.ca_path),
        "CLOUDCASA_API_KEY": system.key_path.read_text().strip(),
        "KUBECONFIG": system.env["KUBECONFIG"],
    }
    program = Path(sys.executable).with_name("ansible")
    words = f"cluster={cluster} state={state} wait_timeout=180"
    argv = [program, "localhost", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
    done = subprocess.run(
        [*argv, "-m", "cloudcasa.core.agent", "-a", words],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_agent_leaves_and_comes_back_to_its_backups(protected: Protected) -> None:
    kubectl = protected.system.kubectl
    namespace = f"stays-{secrets.token_hex(3)}"
    kubectl("create", "namespace", namespace)
    kubectl("-n", namespace, "create", "configmap", "note", "--from-literal=text=kept")
    job = protected.client.wait_for_job(protected.run(protected.define_backup(namespace)))
    assert job["state"] == "COMPLETED", job
    point = protected.recovery_point(job["_id"])
    kubectl("delete", "namespace", namespace, "--timeout=120s")
    assert protected.restore(point, namespaces=[namespace])["state"] == "COMPLETED"
    assert kubectl("-n", "cloudcasa-io", "get", "restores.velero.io", "-o", "jsonpath={.items[*].metadata.finalizers}")

    assert "CHANGED" in agent_module(protected, "absent")
    assert kubectl("get", "namespace", "cloudcasa-io", "--ignore-not-found") == ""
    assert "cloudcasa" not in kubectl("get", "clusterrolebindings", "-o", "name")
    assert "SUCCESS" in agent_module(protected, "absent")

    protect(protected.system)
    kubectl("delete", "namespace", namespace, "--timeout=120s")
    assert protected.restore(point, namespaces=[namespace])["state"] == "COMPLETED"
    assert kubectl("-n", namespace, "get", "configmap", "note", "-o", "jsonpath={.data.text}") == "kept"
    kubectl("delete", "namespace", namespace, "--wait=false")
