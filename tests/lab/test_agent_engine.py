"""The agent against a real cluster, Velero and S3: install, refuse, back up, restore, be killed in the middle, delete.

It has a lab of its own: the engine here has a repository password of its own, and a foreign Velero must not disturb the other stories.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cloudcasa_agent.handlers import Context, handle
from cloudcasa_agent.handlers.context import Engine
from cloudcasa_agent.kube import KubeClient
from cloudcasa_agent.kube.resources import PODS
from cloudcasa_agent.velero.artifacts import BACKUP_KINDS, Source, _ask_velero
from cloudcasa_agent.velero.build import build_backup
from cloudcasa_agent.velero.errors import (
    BackupExistsError,
    ForeignVeleroError,
    NamespaceNotFoundError,
    RepositoryPasswordError,
    StorageUnreachableError,
)
from cloudcasa_agent.velero.resources import BACKUPS, command_selector
from cloudcasa_contract.base import CommandId
from cloudcasa_contract.commands import (
    AGENT_NAMESPACE,
    BackupDelete,
    BackupRun,
    Command,
    EngineEnsure,
    EngineImages,
    InventoryCollect,
    Output,
    PreflightRun,
    RestoreRun,
    Selection,
    StorageAddress,
    StorageTarget,
)
from cloudcasa_contract.frames import CommandFrame, Outcome, Progress, Report, Result

from lab.run import Lab
from tests.support.agent_server import AgentServer

pytestmark = [pytest.mark.lab, pytest.mark.node, pytest.mark.timeout(600)]

IMAGES = EngineImages(velero="lab.local/velero:v1.18.3", plugin_aws="lab.local/velero-plugin-for-aws:v1.14.3")
ENSURE = EngineEnsure(images=IMAGES, repository_password="lab-only-password")
WORKLOAD = """
apiVersion: v1
kind: Namespace
metadata: {name: app}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: app}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 300Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: writer, namespace: app, labels: {app: writer}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: writer
    image: lab.local/busybox:1.0.0
    command: [sh, -c, "test -e /d/f || dd if=/dev/urandom of=/d/f bs=1M count=64; sync; sleep 100000"]
    volumeMounts: [{name: d, mountPath: /d}]
  volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]
"""
FOREIGN = """
apiVersion: v1
kind: Namespace
metadata: {name: velero}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: velero, namespace: velero, labels: {component: velero}}
spec:
  replicas: 0
  selector: {matchLabels: {deploy: velero}}
  template:
    metadata: {labels: {deploy: velero}}
    spec: {containers: [{name: velero, image: "velero/velero:v1.18.3"}]}
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab("test-agent")
    lab.up("node")
    lab.kubectl("create", "namespace", AGENT_NAMESPACE, check=False)
    yield lab
    if not os.environ.get("CLOUDCASA_KEEP_LAB"):
        lab.down()


@pytest.fixture(scope="module")
def storage(lab: Lab) -> StorageTarget:
    env = lab.env()
    return StorageTarget(
        objectstore_id="6513f0c0ffee000000000001",
        name="main",
        bucket=env["LAB_S3_BUCKET"],
        prefix=f"main/{secrets.token_hex(4)}",
        endpoint=env["LAB_S3_ENDPOINT"],
        access_key=env["LAB_S3_ACCESS_KEY"],
        secret_key=env["LAB_S3_SECRET_KEY"],
    )


@pytest.fixture
async def engine(lab: Lab):
    client = await KubeClient.connect(kubeconfig=Path(lab.env()["KUBECONFIG"]))
    yield Engine(client=client, namespace=AGENT_NAMESPACE)
    await client.aclose()


@pytest.fixture
def run(engine: Engine):
    async def run(command: Command, *, command_id: str = "") -> Output:
        context = Context(engine=engine, command_id=CommandId(command_id or secrets.token_hex(12)), tell=lambda _: None)
        return await handle(command, context)

    return run


@pytest.fixture
async def installed(run):
    return await run(ENSURE)


@pytest.fixture
def workload(lab: Lab) -> str:
    """A running application with a volume; return the checksum of its data."""
    lab.kubectl("apply", "-f", "-", input=WORKLOAD)
    lab.kubectl("-n", "app", "wait", "pod/writer", "--for=condition=Ready", "--timeout=90s")
    return checksum(lab, namespace="app")


def checksum(lab: Lab, *, namespace: str) -> str:
    deadline = time.monotonic() + 60
    while True:
        said = lab.kubectl("-n", namespace, "exec", "writer", "--", "sh", "-c", "wc -c < /d/f; sha256sum /d/f", check=False)
        if said.startswith(f"{64 << 20}\n") or time.monotonic() > deadline:
            return said
        time.sleep(1)


def a_backup(storage: StorageTarget, *namespaces: str, move_data: bool = True, name: str = "") -> BackupRun:
    selection = Selection(namespaces=namespaces)
    return BackupRun(
        backup_name=name or f"b-{secrets.token_hex(4)}", storage=storage, selection=selection, move_data=move_data, ttl_seconds=3600
    )


async def pods_of_the_engine(engine: Engine) -> dict[str, int]:
    pods = (await engine.client.list(PODS, namespace=AGENT_NAMESPACE, label_selector="component=velero")).items
    return {
        pod["metadata"]["name"]: sum(status["restartCount"] for status in pod["status"]["containerStatuses"])
        for pod in pods
        if pod["status"]["phase"] == "Running"
    }


async def test_foreign_velero_is_refused_by_name(lab, run, engine):
    lab.kubectl("apply", "-f", "-", input=FOREIGN)
    try:
        with pytest.raises(ForeignVeleroError, match='namespace "velero" already runs Velero'):
            await run(ENSURE)
        assert engine.problem is not None
        assert engine.problem.slug == "foreign-velero"
    finally:
        lab.kubectl("delete", "namespace", "velero", "--wait=false")
        lab.kubectl("-n", "velero", "delete", "deployment", "velero", check=False)


async def test_engine_is_installed_once_and_left_alone_after(installed, run, engine):
    assert installed.velero_version == "v1.18.3"
    assert "velero.io/aws (ObjectStore)" in installed.plugins
    assert installed.findings == ()
    before = await pods_of_the_engine(engine)
    assert len(before) == 2
    assert (await run(ENSURE)).velero_version == "v1.18.3"
    assert await pods_of_the_engine(engine) == before


async def test_other_repository_password_is_refused(installed, run):
    with pytest.raises(RepositoryPasswordError):
        await run(
            ENSURE.model_copy(
                update={
                    "repository_password": ENSURE.model_validate(ENSURE.model_dump() | {"repository_password": "x"}).repository_password
                }
            )
        )


async def test_unreachable_store_and_absent_namespace_are_told(installed, run, storage):
    with pytest.raises(NamespaceNotFoundError, match='"nowhere"'):
        await run(a_backup(storage, "nowhere"))
    wrong = StorageTarget.model_validate(storage.model_dump() | {"objectstore_id": "wrong", "access_key": "x", "secret_key": "y"})
    with pytest.raises(StorageUnreachableError, match="main"):
        await run(a_backup(wrong, "default"))


async def test_data_comes_back_byte_for_byte_into_another_namespace(installed, run, engine, lab, storage, workload):  # noqa: PLR0917
    backup = a_backup(storage, "app", "gone")
    made = await run(backup)
    assert made.phase == "Completed"
    assert made.artifacts.missing == ()
    source = Source(name=backup.backup_name, storage=storage, namespace=AGENT_NAMESPACE, command_id=secrets.token_hex(12))
    asked, missing = await _ask_velero(engine.client, source, kinds=BACKUP_KINDS.all())
    assert (set(asked), missing) == (set(BACKUP_KINDS.all()), {})
    assert made.artifacts.warnings == ('namespace "gone": it does not exist and was left out.',)
    [volume] = made.artifacts.volumes
    assert (volume.pvc, volume.is_data_moved, volume.succeeded, volume.size_bytes) == ("data", True, True, 64 << 20)

    restore = RestoreRun(
        restore_name=f"r-{secrets.token_hex(4)}",
        backup_name=backup.backup_name,
        storage=storage,
        namespaces=("app",),
        namespace_map={"app": "app2"},
    )
    restored = await run(restore)
    assert (restored.phase, restored.artifacts.errors, restored.artifacts.missing) == ("Completed", (), ())
    assert checksum(lab, namespace="app2") == workload

    again = await run(restore.model_copy(update={"restore_name": f"r-{secrets.token_hex(4)}"}))
    assert again.phase == "Completed"
    assert any('claim "data" was not restored' in error for error in again.artifacts.errors)

    with pytest.raises(BackupExistsError):
        await run(backup)
    assert (await run(BackupDelete(backup_name=backup.backup_name, storage=storage))).was_missing is False
    assert (await run(BackupDelete(backup_name=backup.backup_name, storage=storage))).was_missing is True


async def test_update_of_the_engine_waits_for_a_running_backup(installed, run, engine, storage):
    running = build_backup(a_backup(storage, "default"), command_id="1" * 24, namespace=AGENT_NAMESPACE, existing_namespaces={"default"})
    running |= {"status": {"phase": "InProgress"}}  # Velero takes up new ones only, so this one stays until we end it
    name = running["metadata"]["name"]
    await engine.client.create(BACKUPS, running)
    before = await pods_of_the_engine(engine)
    changed = ENSURE.model_copy(update={"images": IMAGES.model_copy(update={"pull_secret_name": "registry"})})
    update = asyncio.create_task(run(changed))
    await until(engine.start_lock.locked)
    assert await pods_of_the_engine(engine) == before
    assert not update.done()
    await engine.client.patch(BACKUPS, {"status": {"phase": "Completed"}}, name=name, namespace=AGENT_NAMESPACE)
    await update
    assert set(await pods_of_the_engine(engine)).isdisjoint(before)
    await engine.client.delete(BACKUPS, name=name, namespace=AGENT_NAMESPACE)
    await run(ENSURE)


@pytest.mark.parametrize("broken", ["velero", "plugin_aws"])
async def test_update_that_does_not_come_up_is_taken_back_and_backups_go_on(installed, run, storage, broken):
    images = IMAGES.model_copy(update={broken: "lab.local/velero:is-not-there"})
    tried = await run(ENSURE.model_copy(update={"images": images}))
    assert tried.velero_version == "v1.18.3"
    assert tried.update_problem.slug == "engine-update-failed"
    assert "is-not-there" in tried.update_problem.text
    assert (await run(a_backup(storage, "default"))).phase == "Completed"
    assert (await run(ENSURE)).update_problem is None


async def test_cluster_as_it_should_be_has_no_findings(installed, run, storage):
    address = StorageAddress(name=storage.name, endpoint=storage.endpoint)
    unreachable = StorageAddress(name="away", endpoint="http://127.0.0.1:1")
    asked = PreflightRun(asked_at=datetime.now(UTC), velero_image=IMAGES.velero, stores=(address,))
    assert {finding.slug for finding in (await run(asked)).findings} <= {"rights-missing"}
    found = (await run(asked.model_copy(update={"stores": (address, unreachable)}))).findings
    assert "storage-unreachable" in {finding.slug for finding in found}


async def until(holds) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def an_agent(lab: Lab, *, url: str, folder: Path):
    env = os.environ | {
        "KUBECONFIG": lab.env()["KUBECONFIG"],
        "CLOUDCASA_AGENT_SERVER_URL": url,
        "CLOUDCASA_AGENT_CLUSTER_ID": "6513f0c0ffee0000000000aa",
        "CLOUDCASA_AGENT_CREDENTIAL": "PLACEHOLDER",
        "CLOUDCASA_AGENT_ALIVE_FILE": str(folder / "alive"),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "cloudcasa_agent", env=env)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 20)


async def test_killed_agent_is_taken_over_by_the_next_one(installed, lab, engine, storage, workload, tmp_path):  # noqa: PLR0917
    frame = CommandFrame(command_id=secrets.token_hex(12), delivery=1, command=a_backup(storage, "app"))
    async with AgentServer().running() as server:
        async with an_agent(lab, url=server.url, folder=tmp_path) as first:
            await server.until(lambda: server.links, seconds=60)
            await server.links[0].send(frame)
            await server.until(lambda: any(told.volumes for told in server.got(Progress)), seconds=60)
            first.kill()
            await first.wait()
        assert server.got(Result) == []
        async with an_agent(lab, url=server.url, folder=tmp_path) as second:
            await server.until(lambda: len(server.links) == 2, seconds=60)
            await server.links[1].send(frame.model_copy(update={"delivery": 2}))
            await server.until(lambda: server.got(Result), seconds=120)
            await server.until(lambda: server.got(Report), seconds=20)
        assert second.returncode == 0
    [result] = server.got(Result)
    assert (result.outcome, result.output.phase) == (Outcome.SUCCEEDED, "Completed")
    assert [volume.succeeded for volume in result.output.artifacts.volumes] == [True]
    made = await engine.client.list(BACKUPS, namespace=AGENT_NAMESPACE, label_selector=command_selector(frame.command_id))
    assert len(made.items) == 1
    assert "app" in server.got(Report)[0].inventory.namespaces


async def test_inventory_knows_the_claims_driver_and_snapshot_class(run, workload):
    inventory = await run(InventoryCollect())
    [claim] = [pvc for pvc in inventory.pvcs if pvc.namespace == "app"]
    assert (claim.name, claim.phase, claim.driver) == ("data", "Bound", "csi.lab.local")
    assert [item.snapshot_class for item in inventory.storage_classes if item.name == claim.storage_class] == ["lab"]


def stock_velero(lab: Lab, directory: Path):
    """Install a stock Velero into the namespace `velero`, as its documentation says; return its command line."""
    env = lab.env()
    keys = directory / "keys"
    keys.write_text(f"[default]\naws_access_key_id={env['LAB_S3_ACCESS_KEY']}\naws_secret_access_key={env['LAB_S3_SECRET_KEY']}\n")

    def velero(*words: str) -> str:
        argv = [env["LAB_VELERO"], "--kubeconfig", env["KUBECONFIG"], "--namespace", "velero", *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    config = f"region={env['LAB_S3_REGION']},s3ForcePathStyle=true,s3Url={env['LAB_S3_ENDPOINT']},checksumAlgorithm="
    place = ["--bucket", env["LAB_S3_BUCKET"], "--prefix", "theirs", "--secret-file", str(keys), "--backup-location-config", config]
    images = ["--image", IMAGES.velero, "--plugins", IMAGES.plugin_aws, "--provider", "aws"]
    velero("install", *images, *place, "--use-volume-snapshots=false", "--use-node-agent", "--features=EnableCSI", "--wait")
    return velero


def what_is_theirs(lab: Lab) -> dict[str, str]:
    """Return the version of every definition, and the identity of everything that the stock Velero has."""
    version = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{'\\n'}{end}"
    identity = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.metadata.generation}{'\\n'}{end}"
    kinds = (
        "deployments",
        "daemonsets",
        "secrets",
        "serviceaccounts",
        "backups.velero.io",
        "restores.velero.io",
        "backuprepositories.velero.io",
    )
    held = {kind: lab.kubectl("-n", "velero", "get", kind, "-o", identity) for kind in kinds}
    binding = lab.kubectl("get", "clusterrolebinding", "velero", "-o", "jsonpath={.metadata.uid} {.metadata.resourceVersion}")
    return held | {"definitions": lab.kubectl("get", "crd", "-o", version), "binding": binding}


def remove_ours(lab: Lab) -> None:
    """Take our Velero off the cluster by hand, as docs/admin/agent.md says."""
    lab.kubectl("-n", AGENT_NAMESPACE, "delete", "deployment", "velero", "--cascade=foreground", "--timeout=120s")
    for name in lab.kubectl("-n", AGENT_NAMESPACE, "get", "restores.velero.io", "-o", "name").split():
        lab.kubectl("-n", AGENT_NAMESPACE, "patch", name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    lab.kubectl("delete", "namespace", AGENT_NAMESPACE, "--timeout=180s")
    lab.kubectl("delete", "clusterrolebinding", f"velero-{AGENT_NAMESPACE}")


async def test_two_veleros_work_side_by_side_and_ours_leaves_theirs_whole(installed, run, engine, lab, storage, workload, tmp_path):  # noqa: PLR0917
    velero = stock_velero(lab, tmp_path)
    try:
        with pytest.raises(ForeignVeleroError):
            await run(ENSURE)
        definitions = what_is_theirs(lab)["definitions"]
        beside = await run(ENSURE.model_copy(update={"allow_foreign_velero": True}))
        assert "foreign-velero-beside" in {finding.slug for finding in beside.findings}
        assert what_is_theirs(lab)["definitions"] == definitions

        backup = a_backup(storage, "app")
        words = ("backup", "create", "theirs", "--include-namespaces", "app", "--snapshot-move-data", "--wait")
        made, said = await asyncio.gather(run(backup), asyncio.to_thread(velero, *words))
        assert (made.phase, "Completed" in said) == ("Completed", True)
        everything = a_backup(storage)
        everything = everything.model_copy(update={"selection": Selection(all_namespaces=True), "move_data": False})
        assert (await run(everything)).phase == "Completed"
        written = await engine.client.get(BACKUPS, name=everything.backup_name, namespace=AGENT_NAMESPACE)
        assert "velero" in written["spec"]["excludedNamespaces"]

        restore = RestoreRun(
            restore_name=f"r-{secrets.token_hex(4)}", backup_name=backup.backup_name, storage=storage, namespace_map={"app": "ours"}
        )
        words = ("restore", "create", "theirs", "--from-backup", "theirs", "--namespace-mappings", "app:theirs", "--wait")
        restored, said = await asyncio.gather(run(restore), asyncio.to_thread(velero, *words))
        assert (restored.phase, "Completed" in said) == ("Completed", True)
        assert checksum(lab, namespace="ours") == workload
        assert checksum(lab, namespace="theirs") == workload

        before = what_is_theirs(lab)
        remove_ours(lab)
        assert what_is_theirs(lab) == before
        assert "cloudcasa" not in lab.kubectl("get", "clusterrolebindings", "-o", "name")
        velero("restore", "create", "again", "--from-backup", "theirs", "--namespace-mappings", "app:again", "--wait")
        assert checksum(lab, namespace="again") == workload
    finally:
        lab.kubectl("-n", "velero", "delete", "restores.velero.io", "--all", "--timeout=60s", check=False)
        lab.kubectl("delete", "namespace", "velero", "--timeout=120s", check=False)
        lab.kubectl("delete", "clusterrolebinding", "velero", check=False)
        lab.kubectl("create", "namespace", AGENT_NAMESPACE, check=False)
