"""Parts a lab has on request: kwok, a Velero beside the pods, Azurite, and a MongoDB stand-in.

Pure descriptions, as in `lab.run.control`, except where a part has data to make before its first start.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lab.build import MissingError

from . import chroot, probe, state
from .manifests import VELERO_NAMESPACE, aws_credentials
from .part import Part
from .state import Record

AZURITE_ACCOUNT = "lab"
KWOK_ANNOTATION = "kwok.x-k8s.io/node=fake"

_POSTGRES = """listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '/mnt/run'
shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb'
cron.database_name = 'postgres'
shared_buffers = 256MB
fsync = off
"""
_EXTENSION = "CREATE EXTENSION IF NOT EXISTS documentdb CASCADE"


def kwok(record: Record, *, home: Path, binaries: Mapping[str, Path]) -> Part:
    """Return kwok, which plays the nodes annotated kwok.x-k8s.io/node=fake and the pods bound to them."""
    argv = [
        str(binaries["kwok"]), f"--kubeconfig={home}/admin.kubeconfig", f"--manage-nodes-with-annotation-selector={KWOK_ANNOTATION}",
        f"--config={binaries['kwok-stages']}", "--cidr=10.200.0.0/16", "--node-ip=10.200.255.254",
        "--node-lease-duration-seconds=40", f"--server-address=127.0.0.1:{record.ports['kwok']}",
    ]  # fmt: skip
    return Part("kwok", argv=argv, ready=lambda inside: probe.url(f"http://127.0.0.1:{record.ports['kwok']}/healthz", inside=inside))


def velero(record: Record, *, home: Path, binaries: Mapping[str, Path]) -> Part:
    """Return a Velero server outside pods, with the AWS plugin in its plugin directory."""
    plugins = home / "velero/plugins"
    plugins.mkdir(mode=0o700, parents=True, exist_ok=True)
    link = plugins / "velero-plugin-for-aws"
    link.unlink(missing_ok=True)
    link.symlink_to(binaries["velero-plugin-for-aws"])
    state.write(home / "conf/s3-credentials", aws_credentials(record))
    metrics = f"127.0.0.1:{record.ports['velero-metrics']}"
    argv = [
        *(sys.executable, "-m", "lab.run.private", "credentials", f"{home}/velero/tmp", "--"),
        *(str(binaries["velero"]), "server", f"--kubeconfig={home}/admin.kubeconfig", f"--plugin-dir={plugins}"),
        *(f"--namespace={VELERO_NAMESPACE}", "--features=EnableCSI", f"--metrics-address={metrics}"),
        *("--client-qps=100", "--client-burst=200"),
    ]
    env = {
        **_python_env(),
        "AWS_SHARED_CREDENTIALS_FILE": f"{home}/conf/s3-credentials",
        "VELERO_NAMESPACE": VELERO_NAMESPACE,
        "VELERO_SCRATCH_DIR": f"{home}/velero",
        "HOME": f"{home}/velero",
    }
    return Part("velero", argv=argv, env=env, ready=lambda inside: probe.url(f"http://{metrics}/metrics", inside=inside))


def azurite(record: Record, *, home: Path, binaries: Mapping[str, Path]) -> Part:
    """Return Azurite's blob service, with one account whose key is this lab's own."""
    program = binaries["azurite"] / "node_modules/azurite/dist/src/blob/main.js"
    data = home / "azurite"
    data.mkdir(mode=0o700, exist_ok=True)
    port = record.ports["azurite"]
    argv = [
        "node", str(program), f"--blobHost={record.address}", f"--blobPort={port}", f"--location={data}",
        "--skipApiVersionCheck", "--silent", "--disableTelemetry",
    ]  # fmt: skip
    accounts = {"AZURITE_ACCOUNTS": f"{AZURITE_ACCOUNT}:{record.azurite_key}"}
    return Part("azurite", argv=argv, env=accounts, ready=lambda inside: probe.tcp(record.address, port=port, inside=inside))


def postgres(record: Record, *, home: Path, root: Path) -> Part:
    """Return PostgreSQL with DocumentDB, out of the root of a newer Debian; its data lies in the lab."""
    if os.geteuid() != 0:
        raise MissingError(
            "The part mongo runs out of a root directory of its own and needs root: run the same command with `sudo`, or leave `mongo` out."
        )
    program = _programs(root)
    port = record.ports["postgres"]

    def ready(inside: int | None) -> probe.Probe:
        reach = ["nsenter", f"--net=/proc/{inside}/ns/net", "--"] if inside else []
        psql = [*_inside(home, root=root), f"{program}/psql", "-h127.0.0.1", f"-p{port}", "-Upostgres", "-qc", _EXTENSION]
        return lambda: subprocess.run([*reach, *psql], capture_output=True, check=False, env=_python_env()).returncode == 0

    argv = [*_inside(home, root=root), f"{program}/postgres", "-D", "/mnt/data"]
    return Part("postgres", argv=argv, env=_python_env(), ready=ready)


def create_database(record: Record, *, home: Path, root: Path) -> None:
    """Make PostgreSQL's data directory, once."""
    store = home / "pg"
    if (store / "data/PG_VERSION").exists():
        return
    uid, gid = chroot.find_user("postgres", table=(root / "etc/passwd").read_text())
    for path in (store, store / "run"):
        path.mkdir(mode=0o700, exist_ok=True)
        os.chown(path, uid, gid)
    argv = [f"{_programs(root)}/initdb", "-D", "/mnt/data", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run([*_inside(home, root=root), *argv], check=True, capture_output=True, env=_python_env())
    with (store / "data/postgresql.conf").open("a") as settings:
        settings.write(_POSTGRES.format(port=record.ports["postgres"]))


def ferretdb(record: Record, *, home: Path, binaries: Mapping[str, Path]) -> Part:
    """Return FerretDB, which speaks MongoDB's protocol in front of PostgreSQL."""
    port = record.ports["mongo"]
    argv = [
        str(binaries["lab-ferretdb"]), f"--listen={record.address}:{port}", f"--state={home}/ferretdb",
        f"--postgresql-url=postgres://postgres@127.0.0.1:{record.ports['postgres']}/postgres",
    ]  # fmt: skip
    return Part("ferretdb", argv=argv, ready=lambda inside: probe.tcp(record.address, port=port, inside=inside))


def _inside(home: Path, *, root: Path) -> list[str]:
    return [sys.executable, "-m", "lab.run.chroot", str(root), "--user=postgres", f"--bind={home}/pg:/mnt", "--"]


def _python_env() -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]), "LANG": "C.UTF-8"}


def _programs(root: Path) -> str:
    found = sorted((root / "usr/lib/postgresql").glob("*/bin"))
    return "/" + str(found[-1].relative_to(root))
