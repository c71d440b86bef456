"""A cluster under protection, through the REST API alone: store, cluster, agent, backups and restores of an application."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lab.run import Lab
from tools.client import Client
from tools.system import System

Json = dict[str, Any]


class Place(Protocol):
    """A cluster that kubectl reaches: that of our server's lab, or a protected one."""

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as the cluster's admin; return what it printed."""
        ...


@dataclass(frozen=True)
class Protected:
    """A cluster whose agent is ACTIVE, and where its backups go."""

    system: System
    client: Client
    cluster_id: str
    objectstore_id: str
    lab: Lab
    """The cluster's own lab; the server may run in another (`Pair`)."""

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as the admin of this cluster."""
        return self.lab.kubectl(*arguments, input=stdin)

    def define_backup(self, namespace: str, *, copy: bool = True, **fields: Any) -> Json:
        """Create a definition that backs one namespace up, with a copy definition linked as clients do (rest-api.md 4.5)."""
        name = f"{namespace}-{secrets.token_hex(3)}"
        source = {"all_namespaces": False, "namespaces": [namespace], "snapshotPersistentVolumes": True}
        body = {"name": name, "cluster": self.cluster_id, "trigger_type": "ADHOC", "source": source, **fields}
        backup = self.client.post("kubebackups", body)
        if not copy:
            return backup
        provider = {"user_objectstore": self.objectstore_id}
        offload = self.client.post(
            "kubeoffloads",
            {
                "name": name,
                "cluster": self.cluster_id,
                "trigger_type": "ADHOC",
                "backupdef": backup["_id"],
                "run_backup": True,
                "offload_provider": provider,
            },
        )
        return self.client.call("PUT", f"kubebackups/{backup['_id']}", body=body | {"copydef": offload["_id"]}, etag=backup["_etag"])

    def run(self, backup: Json) -> str:
        """Start a run; return the job's id."""
        path = f"kubeoffloads/{backup['copydef']}" if "copydef" in backup else f"kubebackups/{backup['_id']}"
        before = self.client.post(f"{path}/action/run", {"retention": {"retainDays": 1}, "runBackup": True})
        last = before.get("status", {}).get("last_job_run_time", 0)
        where = {"backupdef": backup["_id"], "start_time": {"$gt": last}}
        jobs = self.client.get("jobs", where=where, sort="-start_time", page=1, max_results=5)["_items"]
        return str(jobs[0]["_id"])

    def recovery_point(self, job_id: str) -> Json:
        """Return the recovery point that a job made."""
        points = self.client.find("backupinstances", backup_job_id=job_id)
        assert len(points) == 1, points
        return points[0]

    def restore(self, point: Json, *, namespaces: list[str], timeout_seconds: float = 600, **more: Any) -> Json:
        """Restore namespaces from a point and wait; return the job. `more` are further fields of the restore."""
        selection = {"all_namespaces": False, "namespaces": namespaces, "restorePersistentVolumes": True} if namespaces else {}
        body = {"name": f"restore-{secrets.token_hex(4)}", "backup_inst": point["_id"], "selection": selection | more.pop("selection", {})}
        restore = self.client.post("kuberestores", body | more)
        created = self.client.wait(f"kuberestores/{restore['_id']}", lambda r: bool(r["status"].get("jobid")), timeout_seconds=30)
        return self.client.wait_for_job(created["status"]["jobid"], timeout_seconds=timeout_seconds)


@dataclass(frozen=True)
class Pair:
    """Two clusters of one server with one object store; the server and the store live in the lab of `near`."""

    near: Protected
    far: Protected


def protect(system: System, *, lab: Lab | None = None, name: str = "lab") -> Protected:
    """Define the store and a cluster, unless a run before has, and apply the agent's manifest; return when the cluster is ACTIVE.

    The cluster is that of `lab`, which reaches the server's; left out, it is the server's own.
    """
    client, home = system.client(), lab or system.lab
    store = _lab_store(client, env=system.env)
    cluster = _get_or_create(client, "kubeclusters", {"name": name})
    manifest = subprocess.run(
        ["curl", "--silent", "--fail", "--cacert", str(system.ca_path), cluster["status"]["agentURL"]],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    home.kubectl("apply", "--server-side", "-f", "-", input=manifest)
    wait_until_active(client, cluster["_id"])
    return Protected(system, client, cluster["_id"], store["_id"], home)


def protect_pair(near: Protected, *, peer: Lab) -> Pair:
    """Bring a second lab up, joined to the first, and protect its cluster by the same server."""
    peer.up("node")
    peer.peer(near.lab.name)
    peer.add_image("agent")
    return Pair(near, protect(near.system, lab=peer, name="peer"))


def _lab_store(client: Client, *, env: dict[str, str]) -> Json:
    return _get_or_create(
        client,
        "objectstores",
        {
            "name": "lab",
            "provider_type": "aws",
            "bucket_name": env["LAB_S3_BUCKET"],
            "region": env["LAB_S3_REGION"],
            "s3provider": {
                "endpoint": env["LAB_S3_ENDPOINT"],
                "credentials": {"access_key": env["LAB_S3_ACCESS_KEY"], "secret_key": env["LAB_S3_SECRET_KEY"]},
            },
        },
    )


def _get_or_create(client: Client, resource: str, body: Json) -> Json:
    found = client.find(resource, name=body["name"])
    return found[0] if found else client.post(resource, body)


def wait_until_active(client: Client, cluster_id: str, *, timeout_seconds: float = 180) -> None:
    """Return when the cluster is ACTIVE."""
    client.wait(f"kubeclusters/{cluster_id}", lambda c: c["status"]["state"] == "ACTIVE", timeout_seconds=timeout_seconds)


APPLICATION = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data, namespace: {namespace}}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings, namespace: {namespace}}}
data: {{colour: blue, odd.value: "a: b # c"}}
---
apiVersion: v1
kind: Secret
metadata: {{name: login, namespace: {namespace}}}
stringData: {{word: only-in-this-test}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: app}}}}
  strategy: {{type: Recreate}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: {image}
        command: [sh, -c, "trap exit TERM; while :; do sleep 3600 & wait; done"]
        volumeMounts: [{{name: data, mountPath: /data}}]
      volumes: [{{name: data, persistentVolumeClaim: {{claimName: data}}}}]
"""

FILL = """
set -e; cd /data; umask 022
dd if=/dev/urandom of=big bs=1M count={mib} 2>/dev/null
mkdir -p small deep/er; i=0
while [ $i -lt 500 ]; do echo "file $i" > small/f$i; i=$((i+1)); done
echo hidden > .hidden; echo blank > "with blank"; : > empty; ln -s ../big deep/link; ln -s nowhere dangling
echo readonly > readonly; chmod 0400 readonly; chmod 1777 deep; chmod 2750 deep/er; sync
"""

FINGERPRINT = """
cd /data; find . | sort | while IFS= read -r p; do
  if [ -L "$p" ]; then echo "$p link $(readlink "$p")"
  elif [ -d "$p" ]; then echo "$p dir $(stat -c '%a %u:%g' "$p")"
  else echo "$p file $(stat -c '%a %u:%g %s' "$p") $(sha256sum < "$p")"; fi; done
"""


class Application:
    """A small application with a volume, in a namespace of its own."""

    def __init__(self, place: Place, *, image: str, namespace: str = "") -> None:
        """Choose a new namespace, unless one is named; nothing is made yet."""
        self.place = place
        self.image = image
        self.namespace = namespace or f"app-{secrets.token_hex(3)}"

    def create(self, *, mib: int) -> None:
        """Deploy it and fill its volume with `mib` MiB of random data and 500 small files."""
        self.place.kubectl("create", "namespace", self.namespace)
        self.place.kubectl("apply", "-f", "-", stdin=APPLICATION.format(namespace=self.namespace, image=self.image))
        self.wait()
        self.shell(FILL.format(mib=mib))

    def wait(self) -> None:
        """Return when its pod runs."""
        self.place.kubectl("-n", self.namespace, "rollout", "status", "deployment/app", "--timeout=180s")

    def shell(self, script: str) -> str:
        """Run a script in its pod."""
        return self.place.kubectl("-n", self.namespace, "exec", "deployment/app", "--", "sh", "-c", script)

    def fingerprint(self) -> list[str]:
        """Return a line for every file with type, mode, owner, size and checksum, and the data of its objects."""
        objects = [
            self.place.kubectl("-n", self.namespace, "get", kind, name, "-o", f"jsonpath={{.{field}}}")
            for kind, name, field in (("configmap", "settings", "data"), ("secret", "login", "data"), ("pvc", "data", "spec.resources"))
        ]
        return [*self.shell(FINGERPRINT).splitlines(), *objects]

    def delete(self) -> None:
        """Lose it: the namespace and its volumes."""
        self.place.kubectl("delete", "namespace", self.namespace, "--timeout=180s")


def until(look: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Look again and again until it is so; fail with `what` when the time is over."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def wait_for_progress(client: Client, job_id: str, *, timeout_seconds: float = 120) -> Json:
    """Return when the job's data is on the move, or fail if it ends before."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        job = client.get(f"jobs/{job_id}")
        if job.get("kube_copy_progress", {}).get("stats", {}).get("transferred_size", 0) > 0:
            return job
        assert job["state"] in {"PENDING", "RUNNING"}, job
        time.sleep(0.05)
    text = f"job {job_id} moved no data in {timeout_seconds:.0f} s"
    raise TimeoutError(text)
