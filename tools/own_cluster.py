"""The demo on a cluster of one's own: the server on this machine, and an object store beside it unless one is named.

Both listen on one address of this machine, the one that the cluster reaches it by (CLOUDCASA_DEMO_ADDRESS, otherwise the one this
machine uses towards the API server). Nothing is built but the S3 server, and that only when no store is named.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Self

import yaml

from lab.build import MissingError, ensure

HOME = Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local/state")) / "cloudcasa-demo"
PROCESSES = HOME / "processes.json"
KUBECONFIG_NOTE = HOME / "kubeconfig-of"
SERVER_PORT, S3_PORT = 8443, 7070
BUCKET, REGION = "backups", "us-east-1"


class OwnCluster:
    """The demo's server for a cluster that somebody else runs."""

    def __init__(self, kubeconfig: Path) -> None:
        """Start what is missing; return when the server is ready."""
        self.kubeconfig = kubeconfig.expanduser().resolve()
        if not self.kubeconfig.is_file():
            raise MissingError(f"CLOUDCASA_DEMO_KUBECONFIG names {self.kubeconfig}, which is no file: name your cluster's kubeconfig.")
        if "CLOUDCASA_AGENT_IMAGE" not in os.environ:
            raise MissingError(
                "CLOUDCASA_AGENT_IMAGE is not set: build the agent's image (make build), push it where your cluster pulls from, and name it."
            )
        kubectl = os.environ.get("CLOUDCASA_DEMO_KUBECTL") or shutil.which("kubectl")
        self.kubectl = kubectl or str(ensure(["kubectl"], report=_report)["kubectl"])
        self.address = os.environ.get("CLOUDCASA_DEMO_ADDRESS") or _address_towards(self.kubeconfig)
        self.url = f"https://{self.address}:{SERVER_PORT}"
        HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
        KUBECONFIG_NOTE.write_text(str(self.kubeconfig))
        self.store = self._store()
        self._start_server()

    def playbook_environment(self) -> dict[str, str]:
        """Return what the playbook needs to know."""
        return {
            "CLOUDCASA_URL": self.url,
            "CLOUDCASA_CA_PATH": str(HOME / "server/tls/ca.crt"),
            "CLOUDCASA_API_KEY_FILE": str(HOME / "server/bootstrap-key"),
            "DEMO_KUBECONFIG": str(self.kubeconfig),
            "DEMO_KUBECTL": self.kubectl,
            "DEMO_IMAGE": os.environ.get("CLOUDCASA_DEMO_IMAGE", "docker.io/library/busybox:1.37"),
            **self.store,
        }

    def _store(self) -> dict[str, str]:
        if endpoint := os.environ.get("CLOUDCASA_DEMO_S3_ENDPOINT"):
            names = {"BUCKET": BUCKET, "REGION": REGION, "ACCESS_KEY": "", "SECRET_KEY": ""}
            return {"DEMO_S3_ENDPOINT": endpoint} | {
                f"DEMO_S3_{name}": os.environ.get(f"CLOUDCASA_DEMO_S3_{name}", default) for name, default in names.items()
            }
        keys = _kept_keys()
        program = ensure(["versitygw"], report=_report)["versitygw"]
        for path in (HOME / "s3" / BUCKET, HOME / "s3-versions"):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        argv = [
            str(program),
            f"--port={self.address}:{S3_PORT}",
            f"--region={REGION}",
            "posix",
            f"--versioning-dir={HOME}/s3-versions",
            f"{HOME}/s3",
        ]
        _Process(
            "s3", argv, env={"ROOT_ACCESS_KEY": keys["access"], "ROOT_SECRET_KEY": keys["secret"]}, port=(self.address, S3_PORT)
        ).start()
        return {
            "DEMO_S3_ENDPOINT": f"http://{self.address}:{S3_PORT}",
            "DEMO_S3_BUCKET": BUCKET,
            "DEMO_S3_REGION": REGION,
            "DEMO_S3_ACCESS_KEY": keys["access"],
            "DEMO_S3_SECRET_KEY": keys["secret"],
        }

    def _start_server(self) -> None:
        settings = {
            "CLOUDCASA_DATA_DIR": str(HOME / "server"),
            "CLOUDCASA_LISTEN_HOST": self.address,
            "CLOUDCASA_LISTEN_PORT": str(SERVER_PORT),
            "CLOUDCASA_PUBLIC_URL": self.url,
        }
        program = Path(sys.executable).with_name("cloudcasa-server")
        _Process("server", [str(program), "serve"], env=settings, port=(self.address, SERVER_PORT)).start()

    @staticmethod
    def stop_all() -> str:
        """End what earlier demos started here and forget what they stored; return the kubeconfig they were for, if any."""
        used = KUBECONFIG_NOTE.read_text() if KUBECONFIG_NOTE.exists() else ""
        for name, record in _processes().items():
            process = _Process.recorded(name, record)
            process.stop()
        shutil.rmtree(HOME, ignore_errors=True)
        return used


class _Process:
    """A process that outlives this program, found again by its id and start time."""

    def __init__(self, name: str, argv: list[str], *, env: dict[str, str], port: tuple[str, int]) -> None:
        self.name, self.argv, self.env, self.port = name, argv, env, port
        self.record: dict[str, int] = _processes().get(name, {})

    @classmethod
    def recorded(cls, name: str, record: dict[str, int]) -> Self:
        process = cls(name, [], env={}, port=("", 0))
        process.record = record
        return process

    def start(self) -> None:
        if self.is_alive:
            _report(f"{self.name} is already running")
            return
        log = HOME / f"{self.name}.log"
        with log.open("ab") as output:
            child = subprocess.Popen(
                self.argv, env={**os.environ, **self.env}, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self.record = {"pid": child.pid, "started": _start_time(child.pid) or 0}
        PROCESSES.write_text(json.dumps({**_processes(), self.name: self.record}))
        deadline = time.monotonic() + 60
        while not _answers(self.port):
            if child.poll() is not None or time.monotonic() > deadline:
                raise MissingError(f"The {self.name} did not start on {self.port[0]}:{self.port[1]}; its log says why: {log}")
            time.sleep(0.1)
        _report(f"{self.name} listens on {self.port[0]}:{self.port[1]}")

    @property
    def is_alive(self) -> bool:
        return bool(self.record) and _start_time(self.record["pid"]) == self.record["started"]

    def stop(self) -> None:
        if not self.is_alive:
            return
        os.kill(self.record["pid"], signal.SIGTERM)
        deadline = time.monotonic() + 15
        while self.is_alive:
            if time.monotonic() > deadline:
                os.kill(self.record["pid"], signal.SIGKILL)
            time.sleep(0.05)


def _processes() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = json.loads(PROCESSES.read_text()) if PROCESSES.exists() else {}
    return found


def _start_time(pid: int) -> int | None:
    """Return when a process began, in clock ticks since boot; None when it is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _kept_keys() -> dict[str, str]:
    path = HOME / "s3-keys.json"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps({"access": secrets.token_hex(10), "secret": secrets.token_urlsafe(30)}))
    keys: dict[str, str] = json.loads(path.read_text())
    return keys


def _answers(port: tuple[str, int]) -> bool:
    try:
        socket.create_connection(port, timeout=1).close()
    except OSError:
        return False
    return True


def _address_towards(kubeconfig: Path) -> str:
    """Return this machine's address on the way to the API server: the one the cluster most likely reaches it by."""
    config = yaml.safe_load(kubeconfig.read_text())
    contexts = {c["name"]: c["context"] for c in config["contexts"]}
    clusters = {c["name"]: c["cluster"] for c in config["clusters"]}
    url = urllib.parse.urlsplit(clusters[contexts[config["current-context"]]["cluster"]]["server"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((url.hostname or "", url.port or 443))
        address: str = probe.getsockname()[0]
    return address


def _report(line: str) -> None:
    print(line, flush=True)
