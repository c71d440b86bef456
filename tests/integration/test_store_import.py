"""Importing from storage, against a real S3 server: a server that lost everything finds what can be restored, once, and says what cannot."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import pytest_asyncio
from botocore.config import Config
from cloudcasa_agent.handlers.storage_read import run_storage_read
from cloudcasa_server.object_store.escrow import set_repository_password
from cloudcasa_server.recovery_point.model import point_id
from pydantic import SecretStr

from tests.support.scripted_agent import answer
from tests.support.server import Running, a_server
from tests.support.stored_backups import CLUSTER, DEFINITION, OTHER_CLUSTER, StoredBackup, a_repository, packed

pytestmark = pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
DAY = 86_400
READ = "storage.read"


@dataclass
class World:
    """An empty server, and a prefix of the bucket that other installations have filled."""

    server: Running
    s3: Any
    prefix: str

    @property
    def bucket(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.s3.endpoint,
            aws_access_key_id=self.s3.access_key,
            aws_secret_access_key=self.s3.secret_key,
            region_name=self.s3.region,
            verify=False,
            config=Config(s3={"addressing_style": "path"}),
        )

    def put(self, key: str, body: bytes) -> None:
        self.bucket.put_object(Bucket=self.s3.bucket, Key=f"{self.prefix}/{key}", Body=body)

    def remove(self, key: str) -> None:
        self.bucket.delete_object(Bucket=self.s3.bucket, Key=f"{self.prefix}/{key}")

    def store_backup(self, backup: StoredBackup, **changed: bytes | None) -> StoredBackup:
        """Put a backup into the bucket; files are changed or left out by the ends of their names."""
        for name, body in backup.files().items():
            ending = name.removeprefix(backup.name).removeprefix("-").split(".")[0].replace("-", "_") or "contents"
            content = changed.get(ending, body)
            if content is not None:
                self.put(f"{backup.cluster}/backups/{backup.name}/{name}", content)
        return backup

    def store_repository(self, password: str, *, cluster: str = CLUSTER, namespace: str = "web") -> None:
        self.put(f"{cluster}/kopia/{namespace}/kopia.repository", a_repository(password))

    async def password(self) -> str:
        return (await self.server.parts.stores.repository_password()).get_secret_value()

    async def a_store(self, **fields: Any) -> dict[str, Any]:
        credentials = {"access_key": self.s3.access_key, "secret_key": self.s3.secret_key}
        body = {
            "name": "lab",
            "bucket_name": self.s3.bucket,
            "region": self.s3.region,
            "prefix": self.prefix,
            "skip_tls_certificate_validation": True,
            "s3provider": {"endpoint": self.s3.endpoint, "credentials": credentials},
        }
        return await self.server.make("objectstores", **(body | fields))

    async def run_import(self, store: dict[str, Any], **body: Any) -> dict[str, Any]:
        started = await self.server.act(f"objectstores/{store['_id']}/action/import", **body)
        return await self.server.job(_id=started["job"])

    async def points(self, **where: Any) -> list[dict[str, Any]]:
        found = await self.server.get("backupinstances", where=json.dumps(where), sort="start_time", max_results=200)
        return list(found["_items"])


@pytest_asyncio.fixture
async def world(tmp_path, s3) -> AsyncIterator[World]:
    async with a_server(tmp_path / "data") as server:
        yield World(server, s3, f"import-{secrets.token_hex(6)}")


async def test_empty_server_finds_what_a_lost_one_had(world):
    backup = world.store_backup(StoredBackup())
    world.store_repository(await world.password())
    store = await world.a_store()
    job = await world.run_import(store)
    assert (job["state"], job["message"]) == ("COMPLETED", 'Imported 1 recovery point of 1 cluster from "lab".')
    [point] = await world.points()
    assert point["_id"] == point_id(CLUSTER, backup.name)
    expected = {
        "state": "READY",
        "type": "COPY",
        "cluster": CLUSTER,
        "cluster_name": "prod-eu",
        "backupdef": DEFINITION,
        "backupdef_name": "web",
        "objectstore": store["_id"],
        "backup_job_id": backup.job["_id"],
        "start_time": backup.job["start_time"],
        "retention": {"retainDays": 30, "numAlwaysRetain": 2, "locked": False},
        "backup_selection": backup.source,
        "total_copy_data": 524_288,
        "num_total_resources": 12,
    }
    assert {key: point[key] for key in expected} == expected
    assert point["backup_location"]["prefix"] == f"{world.prefix}/{CLUSTER}"
    cluster = await world.server.get(f"kubeclusters/{CLUSTER}")
    assert (cluster["name"], cluster["status"]["state"], cluster["status"]["num_recovery_points"]) == ("prod-eu", "REGISTERED", 1)
    assert 'Imported from the object store "lab"' in cluster["status"]["message"]


async def test_same_import_twice_makes_nothing_twice(world):
    for number in (1, 2, 3):
        world.store_backup(StoredBackup(number))
    world.store_repository(await world.password())
    store = await world.a_store()
    await world.run_import(store)
    before = await world.points()
    again = await world.run_import(store)
    assert again["message"] == 'Imported 0 recovery points of 1 cluster from "lab"; 3 known already.'
    assert await world.points() == before


async def test_dry_run_says_what_would_be_imported_and_changes_nothing(world):
    world.store_backup(StoredBackup(1))
    world.store_backup(StoredBackup(2, cluster=OTHER_CLUSTER, cluster_name="test"))
    world.store_repository(await world.password())
    world.store_repository(await world.password(), cluster=OTHER_CLUSTER)
    job = await world.run_import(await world.a_store(), dry_run=True)
    assert job["message"] == 'Would import 2 recovery points of 2 clusters from "lab".'
    found = [(each["cluster"], each["name"], each["is_new"], each["ready"]) for each in job["import_result"]["clusters"]]
    assert found == [(CLUSTER, "prod-eu", True, 1), (OTHER_CLUSTER, "test", True, 1)]
    assert (await world.points(), (await world.server.get("kubeclusters"))["_meta"]["total"]) == ([], 0)


async def test_imported_point_is_restored_once_its_cluster_has_an_agent(world):
    world.store_backup(StoredBackup())
    world.store_repository(await world.password())
    store = await world.a_store()
    await world.run_import(store)
    [point] = await world.points()
    cluster = await world.server.get(f"kubeclusters/{CLUSTER}")
    agent = await world.server.an_agent(cluster)
    async with agent.connected():
        await world.server.state(CLUSTER, "ACTIVE")
        await world.server.make("kuberestores", name="back", backup_inst=point["_id"], selection={"namespaces": ["web"]})
        job = await world.server.job(type="RESTORE")
        assert job["state"] == "COMPLETED", job
        command = agent.of_kind("restore.run")[0].command
        assert (command.backup_name, command.storage.prefix) == (StoredBackup().name, f"{world.prefix}/{CLUSTER}")


async def test_wrong_password_is_said_plainly_and_the_right_one_makes_the_points_ready(world):
    world.store_backup(StoredBackup(1))
    world.store_backup(StoredBackup(2, has_volumes=False))
    world.store_repository("the password of the lost server")
    store = await world.a_store()
    job = await world.run_import(store)
    assert (job["state"], job["reason"]["slug"]) == ("PARTIAL", "import_password_wrong")
    assert "encrypted with another repository password than this server's" in job["message"]
    locked_away, plain = await world.points()
    assert (locked_away["state"], plain["state"]) == ("PENDING", "READY")
    refused = await world.server.post(
        "kuberestores", name="r", backup_inst=locked_away["_id"], selection={"all_namespaces": True, "namespaces": []}
    )
    assert refused.status_code == 422
    await set_repository_password(world.server.parts.stores, SecretStr("the password of the lost server"))
    assert (await world.run_import(store))["state"] == "COMPLETED"
    mended, same = await world.points()
    assert (mended["state"], mended["_id"]) == ("READY", locked_away["_id"])
    assert same == plain


@pytest.mark.parametrize(
    ("changed", "state", "words"),
    [
        ({"contents": None}, "PENDING", "the file with its objects is missing"),
        ({"volumeinfo": None}, "PENDING", "which volumes it holds could not be read"),
        ({"volumeinfo": b"\x1f\x8bbroken"}, "PENDING", "BackupVolumeInfos: It was not understood"),
        ({"results": None}, "READY", "BackupResults: It is not there"),
        ({"resource_list": packed(["odd"])}, "READY", "BackupResourceList: It was not understood"),
        ({"velero_backup": None}, None, "was never finished, or is half deleted"),
        ({"velero_backup": b"{"}, None, "was not understood"),
        ({"velero_backup": b"[" * 100_000}, None, "was not understood"),
        ({"velero_backup": b'{"metadata":{"name":"other"},"spec":{},"status":{}}'}, None, "is of another backup"),
    ],
    ids=["contents", "volumes", "broken", "results", "resources", "metadata", "no JSON", "deep", "other name"],
)
async def test_what_is_missing_is_named_and_decides_what_can_be_restored(world, changed, state, words):
    backup = world.store_backup(StoredBackup(1), **changed)
    world.store_backup(StoredBackup(2))
    world.store_repository(await world.password())
    job = await world.run_import(await world.a_store())
    states = {point["_id"]: (point["state"], point["message"]) for point in await world.points()}
    assert states.pop(point_id(CLUSTER, StoredBackup(2).name))[0] == "READY"
    told = {each["backup"]: each["text"] for each in job["import_result"]["problems"]}
    if state is None:
        assert (states, job["state"]) == ({}, "PARTIAL")
        assert words in told[backup.name]
        return
    [(found, message)] = states.values()
    assert (found, job["state"]) == (state, "COMPLETED" if state == "READY" else "PARTIAL")
    assert words in message
    assert state == "READY" or words in told[backup.name]


async def test_data_of_volumes_that_is_gone_is_missed(world):
    world.store_backup(StoredBackup())
    world.store_repository(await world.password(), namespace="other")
    await world.run_import(await world.a_store())
    [point] = await world.points()
    assert point["state"] == "PENDING"
    assert "the data of volumes in web is missing in the store" in point["message"]


async def test_snapshots_are_imported_with_a_word_of_warning(world):
    world.store_backup(StoredBackup(type="K8S_SNAP", is_moved=False))
    await world.run_import(await world.a_store())
    [point] = await world.points()
    assert (point["state"], point["type"]) == ("READY", "SNAPSHOT")
    assert "snapshots in the storage of their cluster, which could not be checked" in point["message"]


async def test_backup_from_before_there_were_records_is_imported_as_velero_tells_it(world):
    backup = world.store_backup(StoredBackup(has_record=False))
    world.store_repository(await world.password())
    await world.run_import(await world.a_store())
    [point] = await world.points()
    assert (point["state"], point["backup_job_id"], point["cluster_name"]) == ("READY", backup.job["_id"], f"cluster {CLUSTER}")
    assert point["retention"]["retainDays"] == 30
    assert point["backup_selection"]["namespaces"] == ["web"]


async def test_backups_of_others_and_odd_names_are_left_alone(world):
    foreign = StoredBackup(1, has_record=False).files()
    metadata = json.loads(foreign["velero-backup.json"]) | {"metadata": {"name": "nightly"}}
    world.put(f"{CLUSTER}/backups/nightly/velero-backup.json", json.dumps(metadata).encode())
    for odd in ("NOT A NAME", "%2e%2e", "ünï", "x" * 254):
        world.put(f"{CLUSTER}/backups/{odd}/velero-backup.json", b"{}")
    world.put("lost+found/backups/b/velero-backup.json", b"{}")
    world.put(f"{CLUSTER.upper()}/backups/b/velero-backup.json", b"{}")
    job = await world.run_import(await world.a_store())
    [cluster] = job["import_result"]["clusters"]
    assert (cluster["backups"], cluster["left_out"]) == (1, 1)
    assert job["import_result"]["problems"] == [
        {"cluster": CLUSTER, "backup": "nightly", "text": "It was not made by this product: a Velero restores it."}
    ]
    assert (await world.points(), (await world.server.get("kubeclusters"))["_meta"]["total"]) == ([], 0)


async def test_hostile_record_claims_nothing_that_is_not_its_own(world):
    """Another cluster's id, another point's job, and numbers that no database holds."""
    victim = world.store_backup(StoredBackup(1, has_volumes=False))
    store = await world.a_store()
    await world.run_import(store)
    [before] = await world.points()
    thief = StoredBackup(2, cluster=OTHER_CLUSTER, has_volumes=False)
    metadata = thief.metadata()
    record = json.loads(metadata["metadata"]["annotations"]["cloudcasa.io/recovery-point"])
    claims = {"job": victim.job["_id"], "cluster": {"id": OTHER_CLUSTER, "name": "prod-eu"}}
    metadata["metadata"]["annotations"]["cloudcasa.io/recovery-point"] = json.dumps(record | claims)
    world.store_backup(thief, velero_backup=json.dumps(metadata).encode())
    huge = StoredBackup(3, has_volumes=False).metadata()
    huge["status"]["progress"]["totalItems"] = 10**30
    world.store_backup(StoredBackup(3), velero_backup=json.dumps(huge).encode())
    liar = StoredBackup(4, has_volumes=False).metadata()
    world.store_backup(StoredBackup(4, cluster=OTHER_CLUSTER), velero_backup=json.dumps(liar).encode())
    job = await world.run_import(store)
    told = {each["backup"]: each["text"] for each in job["import_result"]["problems"]}
    assert told[thief.name] == f"The job {victim.job['_id']} that it names has another recovery point."
    assert "was not understood" in told[StoredBackup(3).name]
    assert before in await world.points()
    assert {point["cluster"] for point in await world.points(backup_job_id=victim.job["_id"])} == {CLUSTER}


async def test_name_that_is_taken_by_now_is_given_another_form(world):
    world.store_backup(StoredBackup(has_volumes=False))
    await world.server.a_cluster("prod-eu")
    await world.run_import(await world.a_store())
    assert (await world.server.get(f"kubeclusters/{CLUSTER}"))["name"] == f"prod-eu ({CLUSTER[-8:]})"


async def test_deleted_cluster_comes_back_with_its_recovery_points(world):
    world.store_backup(StoredBackup(has_volumes=False))
    store = await world.a_store()
    await world.run_import(store)
    before = await world.points()
    cluster = await world.server.get(f"kubeclusters/{CLUSTER}")
    deleted = await world.server.api.delete(f"/api/v1/kubeclusters/{CLUSTER}", headers={"If-Match": cluster["_etag"]})
    assert deleted.status_code == 204
    assert await world.points() == before
    job = await world.run_import(store)
    assert (job["state"], job["import_result"]["clusters"][0]["known"]) == ("COMPLETED", 1)
    again = await world.server.get(f"kubeclusters/{CLUSTER}")
    assert (again["name"], again["status"]["state"], again["status"]["num_recovery_points"]) == ("prod-eu", "REGISTERED", 1)


async def test_nothing_expires_before_somebody_has_looked_at_it(world):
    old = {"retainDays": 1, "numAlwaysRetain": 0, "locked": False}
    world.store_backup(StoredBackup(retention=old, has_volumes=False))
    job = await world.run_import(await world.a_store(), keep_days=9)
    [point] = await world.points()
    assert 0 <= point["expiry_timestamp"] - (job["start_time"] + 9 * DAY) < 60
    assert point["retention"] == old


async def test_locked_point_is_locked_again(world):
    locked = {"retainDays": 3_650, "numAlwaysRetain": 0, "locked": True}
    world.store_backup(StoredBackup(retention=locked, has_volumes=False))
    await world.run_import(await world.a_store())
    [point] = await world.points()
    refused = await world.server.api.delete(f"/api/v1/backupinstances/{point['_id']}", headers={"If-Match": point["_etag"]})
    assert refused.status_code == 422
    assert "locked until it expires" in refused.text


async def test_empty_place_and_unknown_clusters_are_not_called_a_success(world):
    store = await world.a_store()
    job = await world.run_import(store)
    assert (job["state"], job["reason"]["slug"]) == ("FAILED", "import_nothing_found")
    world.store_backup(StoredBackup(has_volumes=False))
    job = await world.run_import(store, clusters=[OTHER_CLUSTER])
    assert (job["state"], job["message"]) == ("FAILED", f"The store holds nothing of a cluster {OTHER_CLUSTER}.")
    job = await world.run_import(store, clusters=[OTHER_CLUSTER, CLUSTER.upper()])
    assert (job["state"], len(await world.points())) == ("PARTIAL", 1)


@pytest.mark.parametrize(
    "body",
    [{"clusters": ["x"]}, {"clusters": "all"}, {"keep_days": -1}, {"dry_run": "yes"}, {"colour": 1}],
    ids=lambda body: next(iter(body)),
)
async def test_odd_request_is_refused(world, body):
    store = await world.a_store()
    assert (await world.server.post(f"objectstores/{store['_id']}/action/import", **body)).status_code == 422


async def test_hundreds_of_backups_are_imported_in_steps_and_counted(world):
    for number in range(1, 131):
        world.store_backup(StoredBackup(number, has_volumes=False))
    store = await world.a_store()
    job = await world.run_import(store)
    [cluster] = job["import_result"]["clusters"]
    assert (job["state"], cluster["backups"], cluster["looked_at"], cluster["ready"]) == ("COMPLETED", 130, 130, 130)
    assert (await world.server.get(f"kubeclusters/{CLUSTER}"))["status"]["num_recovery_points"] == 130


async def test_private_store_is_read_by_the_agent_of_its_proxy_cluster(world):
    for number in range(1, 4):
        world.store_backup(StoredBackup(number))
    world.store_repository(await world.password())
    near = await world.server.a_cluster("near")
    agent = await world.server.an_agent(near, answers=lambda frame: None if frame.command.kind == READ else answer(frame))
    store = await world.a_store(private=True, proxy_cluster_list=[near["_id"]])
    async with agent.connected():
        await world.server.state(near["_id"], "ACTIVE")
        started = await world.server.act(f"objectstores/{store['_id']}/action/import")
        done = asyncio.create_task(world.server.job(_id=started["job"]))
        for count in range(1, 100):
            waiting = asyncio.create_task(agent.command(READ, count=count))
            await asyncio.wait({done, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if done.done():
                waiting.cancel()
                break
            await agent.finish(waiting.result(), await run_storage_read(waiting.result().command))
        job = await done
    assert (job["state"], len(await world.points(state="READY"))) == ("COMPLETED", 3)
    assert not any(world.s3.secret_key in json.dumps(one) for one in await world.server.parts.store.collection("commands").find())
