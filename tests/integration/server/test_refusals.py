"""Each bad input is refused with a sentence that names the thing and the right status code, and leaves nothing half-made."""

from __future__ import annotations

import asyncio
import json

import pytest
from cloudcasa_server.object_store.probe import ProbeError

from tests.support.scripted_agent import ScriptedAgent, a_backup, answer, eventually
from tests.support.server import a_store_body

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def server(lent):
    return lent


async def refused(server, path, *, status=422, **body):
    before = (await server.get(path.partition("/")[0]))["_meta"]["total"]
    response = await server.post(path, **body)
    assert response.status_code == status, response.text
    assert (await server.get(path.partition("/")[0]))["_meta"]["total"] == before
    answer = response.json()
    assert answer["_status"] == "ERR"
    return answer["_error"]["message"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            ProbeError(
                'Could not connect to the endpoint URL: "https://s3.example:9000/lab-backups": nothing answers there.',
                field="s3provider.endpoint",
            ),
            "Could not connect to the endpoint URL",
        ),
        (
            ProbeError("Cannot access bucket. Check the credentials and permissions.", field="s3provider.credentials"),
            "credentials and permissions",
        ),
        (ProbeError('There is no bucket "lab-backups".', field="bucket_name"), "lab-backups"),
    ],
    ids=["unreachable", "keys", "bucket"],
)
async def test_store_that_cannot_be_used_is_not_stored(server, error, sentence):
    server.probe.error = error
    assert sentence in await refused(server, "objectstores", **a_store_body())


KEYS = {"access_key": "a", "secret_key": "b"}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"bucket_name": None}, "bucket_name"),
        ({"s3provider": {"endpoint": "https://s3.example/path", "credentials": {"access_key": "a", "secret_key": "b"}}}, "endpoint"),
        ({"s3provider": {"endpoint": "https://s3.example", "credentials": {}}}, "credentials and permissions"),
        ({"s3provider": {"endpoint": "https://s3.example", "cloud": "Public"}}, "s3provider.cloud"),
        ({"s3provider": {"endpoint": "https://s3.eu-west-1.amazonaws.com", "credentials": KEYS}, "region": None}, "region"),
        ({"private": True}, "proxy_cluster_list"),
        ({"private": True, "proxy_cluster_list": ["f" * 24]}, "no cluster"),
        ({"private": True, "proxy_cluster_list": ["e" * 24, "f" * 24]}, "proxy_cluster_list"),
        ({"nonsense": 1}, "nonsense"),
        ({"provider_type": "tape"}, "provider_type"),
    ],
    ids=["no bucket", "path", "no keys", "azure's key", "no region", "no proxy", "ghost proxy", "two proxies", "unknown field", "provider"],
)
async def test_store_that_makes_no_sense_is_refused(server, change, word):
    message = await refused(server, "objectstores", **{key: value for key, value in (a_store_body() | change).items() if value is not None})
    assert word in message
    assert not server.probe.targets


async def test_store_twice_in_one_place_is_refused_before_it_is_probed(server):
    await server.a_store("lab")
    assert "lab-backups" in await refused(server, "objectstores", **(a_store_body("lab") | {"name": "other"}))
    assert len(server.probe.targets) == 1


async def test_store_never_shows_its_keys_and_keeps_them(server):
    store = await server.a_store()
    assert "credentials" not in store["s3provider"]
    body = a_store_body() | {"name": "renamed", "s3provider": {"endpoint": "https://s3.example:9000"}}
    changed = await server.api.put(f"/api/v1/objectstores/{store['_id']}", json=body, headers={"If-Match": store["_etag"]})
    assert changed.status_code == 200, changed.text
    emptied = body | {"s3provider": {"endpoint": "https://s3.example:9000", "credentials": {}}}
    again = await server.api.put(f"/api/v1/objectstores/{store['_id']}", json=emptied, headers={"If-Match": changed.json()["_etag"]})
    assert again.json()["_etag"] == changed.json()["_etag"]
    target = await server.parts.stores.target(store["_id"], cluster_id="c")
    assert (target.name, target.secret_key.get_secret_value()) == ("renamed", "s3cr3t")
    assert "s3cr3t" not in changed.text
    shown = await server.get(f"objectstores/{store['_id']}")
    assert "repo_password" not in shown
    assert shown["validate_state"] == "READY"


@pytest.mark.parametrize("endpoint", ["s3.example", "http://s3.example", "https://10.0.0.1:9000/", "s3.example:9000"])
async def test_endpoint_forms_are_accepted_and_echoed(server, endpoint):
    provider = {"endpoint": endpoint, "credentials": {"access_key": "a", "secret_key": "b"}}
    store = await server.a_store(s3provider=provider)
    assert store["s3provider"]["endpoint"] == endpoint


async def test_store_in_use_is_not_deleted(server):
    store = await server.a_store()
    await server.a_cluster(backup_provider={"user_objectstore": store["_id"]})
    response = await server.api.delete(f"/api/v1/objectstores/{store['_id']}")
    assert response.status_code == 422
    assert 'cluster "prod-eu"' in response.json()["_error"]["message"]


async def test_name_twice_is_refused(server):
    await server.a_cluster("prod-eu")
    assert "prod-eu" in await refused(server, "kubeclusters", name="prod-eu")


async def test_backup_of_unknown_cluster_is_refused(server):
    assert "f" * 24 in await refused(server, "kubebackups", name="x", cluster="f" * 24, source={"all_namespaces": True})


async def test_backup_of_nothing_is_refused(server):
    cluster = await server.a_cluster()
    assert "selects nothing" in await refused(server, "kubebackups", name="x", cluster=cluster["_id"], source={})


async def test_backup_of_unknown_namespace_is_refused_by_asking_the_cluster(server):
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster)).connected() as agent:
        await server.state(cluster["_id"], "ACTIVE")
        message = await refused(server, "kubebackups", name="x", cluster=cluster["_id"], source={"namespaces": ["web", "nowhere"]})
        assert '"nowhere"' in message
        assert '"web"' not in message
        await agent.command("inventory.collect")

    async def are_all_there() -> bool:
        return sorted(item["name"] for item in (await server.get("kubenamespaces"))["_items"]) == ["db", "default", "web"]

    assert await eventually(are_all_there)


async def test_backup_is_accepted_while_the_cluster_is_away(server):
    cluster = await server.a_cluster()
    await server.a_backup(cluster["_id"], source={"namespaces": ["anything"]})


@pytest.mark.parametrize("token", ["short", "x" * 43, "x" * 42 + "%2F", "..%2F" + "x" * 40])
async def test_manifest_of_malformed_or_unknown_token_is_not_there(server, token):
    response = await server.api.get(f"/kubeclusteragents/{token}.yaml", headers={"Authorization": ""})
    assert response.status_code == 404
    assert response.json()["_error"]["code"] == 404


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Bearer " + "x" * 120], ids=["none", "short", "unknown"])
async def test_api_key_missing_or_wrong(server, header):
    response = await server.api.get("/api/v1/kubeclusters", headers={"Authorization": header})
    assert response.status_code == 401
    assert "key" in response.json()["_error"]["message"]


async def a_point(server, cluster, **output):
    """Make a recovery point by a real run."""
    await server.a_store()
    backup = await server.a_backup(cluster["_id"])
    await server.act(f"kubebackups/{backup['_id']}/action/run")
    await server.job(backupdef=backup["_id"])
    return (await server.get("backupinstances"))["_items"][0]


async def test_restore_of_what_is_not_there_is_refused(server):
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster)).connected():
        await server.state(cluster["_id"], "ACTIVE")
        point = await a_point(server, cluster)
        base = {"name": "r", "backup_inst": point["_id"]}
        everything = {"all_namespaces": True}
        assert "f" * 24 in await refused(server, "kuberestores", name="r", backup_inst="f" * 24, selection=everything)
        assert '"db"' in await refused(server, "kuberestores", **base, selection={"namespaces": ["db"]})
        assert "selects nothing" in await refused(server, "kuberestores", **base, selection={})
        assert (await server.api.delete(f"/api/v1/backupinstances/{point['_id']}")).status_code == 204
        assert (await server.post("kuberestores", **base, selection=everything)).status_code == 422


@pytest.mark.parametrize("body", [{"retention": {"retainDays": 0}}, {"retention": {"retainDays": "7"}}, {"retain": 1}])
async def test_run_with_bad_body_starts_nothing(server, body):
    cluster = await server.a_cluster()
    backup = await server.a_backup(cluster["_id"])
    assert (await server.post(f"kubebackups/{backup['_id']}/action/run", **body)).status_code == 422
    assert (await server.get("jobs"))["_meta"]["total"] == 0


async def test_run_of_undefined_copy_is_404(server):
    assert (await server.post("kubeoffloads/undefined/action/run")).status_code == 404


async def test_run_without_store_fails_and_says_what_to_do(server):
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster)).connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        job = await server.job(backupdef=backup["_id"])
    assert job["state"] == "FAILED"
    assert "no object store" in job["message"]


async def test_run_on_inactive_cluster_is_skipped(server):
    cluster = await server.a_cluster()
    backup = await server.a_backup(cluster["_id"])
    await server.act(f"kubebackups/{backup['_id']}/action/run")
    job = await server.job(backupdef=backup["_id"])
    assert job["state"] == "SKIPPED"
    assert "REGISTERED" in job["message"]


async def test_second_run_while_the_first_goes_on_is_skipped(server):
    await server.a_store()
    cluster = await server.a_cluster()
    held = []

    def answers(command):
        if command.command.kind != "backup.run":
            return answer(command)
        held.append(command)
        return None

    async with (await server.an_agent(cluster, answers=answers)).connected() as agent:
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        await agent.command("backup.run")
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        second = await server.job(backupdef=backup["_id"])
        assert second["state"] == "SKIPPED"
        await agent.finish(held[0], a_backup())
        first = await server.job(backupdef=backup["_id"], _id={"$ne": second["_id"]})
    assert first["state"] == "COMPLETED"
    assert second["start_time"] > first["start_time"]
    shown = await server.get(f"kubebackups/{backup['_id']}")
    assert [job["state"] for job in shown["status"]["jobs"]] == ["SKIPPED", "COMPLETED"]
    assert all(isinstance(value, str) for job in shown["status"]["jobs"] for value in job.values())


async def test_policy_in_use_is_not_deleted(server):
    cluster = await server.a_cluster()
    policy = await server.make("policies", name="daily", schedules=[{"retainDays": 3, "schedule": {"cronSpec": "0 1 * * *"}}])
    await server.a_backup(cluster["_id"], policy=policy["_id"])
    response = await server.api.delete(f"/api/v1/policies/{policy['_id']}")
    assert response.status_code == 422
    assert "web" in response.json()["_error"]["message"]


@pytest.mark.parametrize("change", [{"timezone": "Mars/Base"}, {"schedules": []}, {"schedules": [{"schedule": {"cronSpec": "daily"}}]}])
async def test_policy_that_makes_no_sense_is_refused(server, change):
    body = {"name": "daily", "schedules": [{"schedule": {"cronSpec": "0 1 * * *"}}]} | change
    await refused(server, "policies", **body)


async def test_secrets_are_nowhere_in_the_database(server):
    await server.a_store()
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster)
    async with agent.connected():
        await server.state(cluster["_id"], "ACTIVE")
        await a_point_of(server, cluster)
    content = b"".join(path.read_bytes() for path in server.parts.settings.data_dir.glob("*.db*"))
    assert b"prod-eu" in content
    for secret in ("s3cr3t", agent.credential, agent.welcome.credential.get_secret_value()):
        assert secret.encode() not in content
    password = (await server.parts.stores.repository_password()).get_secret_value()
    assert password.encode() not in content
    assert (await agent.command("engine.ensure")).command.repository_password.get_secret_value() == password


async def a_point_of(server, cluster):
    backup = await server.a_backup(cluster["_id"])
    await server.act(f"kubebackups/{backup['_id']}/action/run")
    return await server.job(backupdef=backup["_id"])


async def test_metrics_are_there_for_an_empty_cluster(server):
    cluster = await server.a_cluster()
    shown = await server.get(f"kubeclusters/{cluster['_id']}", metrics=json.dumps({"days": 7}))
    assert shown["metrics"]["total_num_backup_jobs"] == 0


async def test_viewer_never_learns_the_manifest_address(server):
    """It opens the manifest, which holds an agent's credential; a filter or sort on it would be a way to guess it."""
    cluster = await server.a_cluster()
    backup = await server.a_backup(cluster["_id"])
    key = (await server.make("apikeys", name="eyes", roles=["viewer"]))["api_key"]
    address = cluster["status"]["agentURL"]
    viewer = {"Authorization": f"Bearer {key}"}
    for path, query in (
        ("kubeclusters", {}),
        (f"kubeclusters/{cluster['_id']}", {}),
        ("kubeclusters", {"projection": '{"status.agentURL": 1}'}),
        (f"kubebackups/{backup['_id']}", {"embedded": '{"cluster": 1}'}),
        ("kubebackups", {"embedded": '{"cluster": 1}'}),
    ):
        response = await server.api.get(f"/api/v1/{path}", params=query, headers=viewer)
        assert response.status_code == 200, response.text
        assert "kubeclusteragents" not in response.text
        assert address in (await server.api.get(f"/api/v1/{path}", params=query)).text
    for query in ({"where": '{"status.agentURL": {"$gt": "https"}}'}, {"sort": "status.agentURL"}, {"where": '{"status": {"a": 1}}'}):
        assert (await server.api.get("/api/v1/kubeclusters", params=query, headers=viewer)).status_code == 400


ELSEWHERE = "https://elsewhere.example"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    "change",
    [
        {"s3provider": {"endpoint": ELSEWHERE}},
        {"bucket_name": "another", "s3provider": {"endpoint": "https://s3.example:9000"}},
        {"s3provider": {"endpoint": ELSEWHERE, "credentials": {"access_key": "AK"}}},
    ],
    ids=["endpoint", "bucket", "half a key"],
)
async def test_stored_keys_are_not_sent_to_another_place(server, method, change):
    store = await server.a_store()
    body = (a_store_body() if method == "PUT" else {}) | change
    path, headers = f"/api/v1/objectstores/{store['_id']}", {"If-Match": store["_etag"]}
    response = await server.api.request(method, path, json=body, headers=headers)
    assert response.status_code == 422, response.text
    assert "credentials" in response.json()["_error"]["message"]
    assert [target.endpoint for target in server.probe.targets] == ["https://s3.example:9000"]


async def test_keys_sent_again_may_go_to_another_place(server):
    store = await server.a_store()
    provider = a_store_body()["s3provider"] | {"endpoint": ELSEWHERE}
    path, headers = f"/api/v1/objectstores/{store['_id']}", {"If-Match": store["_etag"]}
    assert (await server.api.patch(path, json={"s3provider": provider}, headers=headers)).status_code == 200
    assert server.probe.targets[-1].endpoint == ELSEWHERE


async def test_bucket_of_recovery_points_is_not_exchanged(server):
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster)).connected():
        await server.state(cluster["_id"], "ACTIVE")
        await a_point(server, cluster)
    (store,) = (await server.get("objectstores"))["_items"]
    body = a_store_body() | {"bucket_name": "another"}
    path, headers = f"/api/v1/objectstores/{store['_id']}", {"If-Match": store["_etag"]}
    response = await server.api.put(path, json=body, headers=headers)
    assert response.status_code == 422
    assert "1 recovery point would lose" in response.json()["_error"]["message"]


async def test_store_that_a_job_writes_to_is_not_deleted(server):
    store = await server.a_store()
    cluster = await server.a_cluster()
    silent = await server.an_agent(cluster, answers=lambda command: None if command.command.kind == "backup.run" else answer(command))
    async with silent.connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        await silent.command("backup.run")
        response = await server.api.delete(f"/api/v1/objectstores/{store['_id']}")
    assert response.status_code == 422
    assert "1 running job" in response.json()["_error"]["message"]


async def test_times_that_no_machine_can_count_are_refused(server):
    cluster = await server.a_cluster()
    source = {"all_namespaces": True, "csi_snapshot_timeout": 2**62}
    assert "csi_snapshot_timeout" in await refused(server, "kubebackups", name="x", cluster=cluster["_id"], source=source)
    backup = await server.a_backup(cluster["_id"])
    response = await server.post(f"kubebackups/{backup['_id']}/action/run", retention={"retainDays": 2**62})
    assert response.status_code == 422


async def test_manifest_fetched_twice_at_once_is_one_manifest(server):
    """After the first credential was used, a fetch makes a new one: two at once must not make each other's useless."""
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster)
    async with agent.connected():
        fresh = agent.welcome.credential.get_secret_value()
    async with ScriptedAgent(server.url, cluster["_id"], fresh).connected():
        pass
    agents = await asyncio.gather(*(server.an_agent(cluster) for _ in range(8)))
    assert len({each.credential for each in agents}) == 1


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("kubebackups", {"cluster": "", "source": {"all_namespaces": True}}, "cluster"),
        ("kuberestores", {"backup_inst": "", "selection": {"all_namespaces": True}}, "backup_inst"),
    ],
)
async def test_required_reference_cannot_be_empty(server, path, body, field):
    answer = await server.post(path, name="a", **body)
    assert (answer.status_code, list(answer.json()["_issues"])) == (422, [field])
