"""Alerts: one for each event, whoever raises it and however often it is tried; people delete them (rest-api.md 2.13)."""

from __future__ import annotations

import asyncio
import json

import pytest
from cloudcasa_contract.commands import Problem
from cloudcasa_server.alert.service import Alerts
from cloudcasa_server.kit.store import Update, eq
from cloudcasa_server.kit.store.opening import FILE_NAME
from cloudcasa_server.kit.store.sqlite import SqliteStore

from tests.support.scripted_agent import answer, eventually
from tests.support.server import a_server


def failing(kind, problem):
    return lambda command: problem if command.command.kind == kind else answer(command)


async def an_alert(server, **where):
    async def look():
        return (await server.get("alerts", where=json.dumps(where)))["_items"]

    (found,) = await eventually(look)
    return found


async def test_failed_backup_raises_one_alert_that_names_it(server):
    await server.a_store()
    cluster = await server.a_cluster()
    problem = Problem(slug="storage-unreachable", text="The bucket is gone.", remedy="Make it again.")
    async with (await server.an_agent(cluster, answers=failing("backup.run", problem))).connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        job = await server.job(backupdef=backup["_id"])
    alert = await an_alert(server, job=job["_id"])
    assert (alert["type"], alert["cluster"], alert["description"]) == ("BACKUP_FAILED", cluster["_id"], job["message"])
    assert alert["name"] == 'Backup "web" on "prod-eu": FAILED'
    assert {"event", "touched_namespaces"} & set(alert) == set()
    assert (await server.get(f"alerts/{alert['_id']}", embedded='{"job":1}'))["job"]["state"] == "FAILED"


async def test_skipped_backup_raises_an_alert_and_a_good_one_none(server):
    await server.a_store()
    cluster = await server.a_cluster()
    backup = await server.a_backup(cluster["_id"])
    await server.act(f"kubebackups/{backup['_id']}/action/run")
    skipped = await server.job(backupdef=backup["_id"])
    assert (await an_alert(server, job=skipped["_id"]))["type"] == "BACKUP_SKIPPED"
    async with (await server.an_agent(cluster)).connected():
        await server.state(cluster["_id"], "ACTIVE")
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        good = await server.job(backupdef=backup["_id"], state="COMPLETED")
    await Alerts(server.documents("alerts")).sweep()
    assert (await server.get("alerts", where=json.dumps({"job": good["_id"]})))["_items"] == []


async def test_restore_of_data_that_is_gone_says_so(server):
    await server.a_store()
    cluster = await server.a_cluster()
    problem = Problem(slug="backup-not-found", text="The backup is not in the bucket.")
    async with (await server.an_agent(cluster, answers=failing("restore.run", problem))).connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        await server.job(backupdef=backup["_id"])
        (point,) = (await server.get("backupinstances"))["_items"]
        restore = await server.make("kuberestores", name="back", backup_inst=point["_id"], selection={"all_namespaces": True})
        job = await server.job(restoredef=restore["_id"])
    assert (await an_alert(server, job=job["_id"]))["type"] == "BACKUP_DATA_NOT_FOUND"


async def test_sweeps_at_once_raise_one_alert(server):
    documents = server.documents("jobs")
    job = await a_failed_job(server)
    await asyncio.gather(*(Alerts(server.documents("alerts")).sweep() for _ in range(8)))
    assert (await server.get("alerts", where=json.dumps({"job": job["_id"]})))["_meta"]["total"] == 1
    assert "is_alert_due" not in (await documents.get(job["_id"]))["script"]


async def a_failed_job(server):
    fields = {"type": "K8S_COPY", "state": "FAILED", "message": "No.", "display_name": "web", "cluster": "a" * 24, "cluster_name": "prod"}
    documents = server.documents("jobs")
    return await documents.insert(documents.new(fields | {"script": {"is_open": False, "is_alert_due": True}}))


async def test_alert_due_when_the_server_died_is_raised_at_its_next_start(tmp_path):
    async with a_server(tmp_path / "data") as server:
        job = await a_failed_job(server)
        await an_alert(server, job=job["_id"])
    store = SqliteStore(tmp_path / "data" / FILE_NAME, synchronous="OFF")
    await store.collection("alerts").delete_many(eq("job", job["_id"]))
    await store.collection("jobs").update(job["_id"], Update(set={"script.is_alert_due": True}))
    await store.close()
    async with a_server(tmp_path / "data") as server:
        assert (await an_alert(server, job=job["_id"]))["description"] == "No."


async def test_cluster_that_stays_silent_raises_one_alert_for_the_silence(tmp_path):
    async with a_server(tmp_path / "data", silence_seconds=0.4, heartbeat_seconds=0.1) as server:
        cluster = await server.a_cluster()
        for silence in (1, 2):
            agent = await server.an_agent(cluster)
            async with agent.connected():
                await server.state(cluster["_id"], "ACTIVE")
            await server.state(cluster["_id"], "PENDING")

            async def look(wanted=silence):
                await Alerts(server.documents("alerts")).sweep()
                found = await server.get("alerts", where=json.dumps({"cluster": cluster["_id"]}), sort="-_created")
                return found["_items"] if found["_meta"]["total"] == wanted else None

            alerts = await eventually(look)
            assert len(await look()) == silence
            assert {alert["type"] for alert in alerts} == {"CLUSTER_NOT_RESPONDING"}
            assert "No word from the agent" in alerts[0]["description"]


@pytest.fixture
async def three(server):
    return [await a_raised(server, kind) for kind in ("BACKUP_FAILED", "BACKUP_FAILED", "RESTORE_FAILED")]


async def a_raised(server, kind):
    documents = server.documents("alerts")
    document = documents.new({"type": kind, "description": "x", "name": "x", "cluster": "a" * 24, "touched_namespaces": []})
    return await documents.insert(document | {"event": f"test:{document['_id']}"})


async def test_alerts_are_deleted_one_by_one_by_filter_and_all(server, three):
    assert (await server.api.delete(f"/api/v1/alerts/{three[0]['_id']}")).status_code == 204
    filtered = await server.api.delete("/api/v1/alerts", params={"where": '{"type":"RESTORE_FAILED"}'})
    assert (filtered.status_code, filtered.content, filtered.headers["X-Total-Count"]) == (204, b"", "1")
    assert [each["_id"] for each in (await server.get("alerts"))["_items"]] == [three[1]["_id"]]
    assert (await server.api.delete("/api/v1/alerts")).status_code == 204
    assert (await server.get("alerts"))["_items"] == []
    assert (await server.api.delete("/api/v1/alerts")).status_code == 204


@pytest.mark.parametrize(
    "where", ["{", '{"$where":"1"}', '{"event":"x"}', '{"touched_namespaces":[]}'], ids=["broken", "code", "hidden", "scope"]
)
async def test_clearing_with_a_filter_that_cannot_be_read_deletes_nothing(server, three, where):
    assert (await server.api.delete("/api/v1/alerts", params={"where": where})).status_code == 400
    assert (await server.get("alerts"))["_meta"]["total"] == len(three)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "alerts"),
        ("PUT", "alerts/{id}"),
        ("PATCH", "alerts/{id}"),
        ("POST", "systemalerts"),
        ("DELETE", "systemalerts"),
        ("DELETE", "kubebackups"),
    ],
)
async def test_nobody_writes_alerts_and_nothing_else_is_cleared(server, three, method, path):
    answered = await server.api.request(method, f"/api/v1/{path.format(id=three[0]['_id'])}", json={"type": "x"})
    assert answered.status_code == 405


async def test_system_alerts_are_listed(server):
    assert (await server.get("systemalerts"))["_items"] == []
