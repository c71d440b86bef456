"""Keys that are changed in one place reach every cluster that has a location of the store, also one that comes back later."""

from __future__ import annotations

import asyncio

from cloudcasa_contract.commands import Problem, StorageEnsured
from cloudcasa_server.kit.store import ALL
from cloudcasa_server.object_store.probe import ProbeError

from tests.support.scripted_agent import answer, eventually
from tests.support.server import a_store_body


def the_keys(number):
    endpoint = a_store_body()["s3provider"]["endpoint"]
    return {"s3provider": {"endpoint": endpoint, "credentials": {"access_key": f"AK{number}", "secret_key": f"new-{number}"}}}


async def changed(server, store, **fields):
    etag = (await server.get(f"objectstores/{store['_id']}"))["_etag"]
    response = await server.api.patch(f"/api/v1/objectstores/{store['_id']}", json=fields, headers={"If-Match": etag})
    assert response.status_code == 200, response.text
    return response.json()


async def rollout(server, store, *, reached):
    async def look():
        found = (await server.get(f"objectstores/{store['_id']}"))["status"]["rollout"]
        return found if found["reached"] == reached else None

    return await eventually(look)


async def use(server, cluster, name):
    """Have a run tell the cluster of the store."""
    backup = await server.a_backup(cluster["_id"], name)
    await server.act(f"kubebackups/{backup['_id']}/action/run")
    assert (await server.job(backupdef=backup["_id"]))["state"] == "COMPLETED"


async def test_new_keys_reach_a_cluster_at_once_and_one_that_is_away_when_it_is_back(server):
    store = await server.a_store()
    near, far = await server.a_cluster("near"), await server.a_cluster("prod-eu")
    near_agent, far_agent = await server.an_agent(near), await server.an_agent(far)
    async with near_agent.connected():
        async with far_agent.connected():
            for cluster in (near, far):
                await server.state(cluster["_id"], "ACTIVE")
                await use(server, cluster, cluster["name"])
            assert (await rollout(server, store, reached=2))["message"] == "Reached 2 of 2 clusters."
        await changed(server, store, **the_keys(1))
        await changed(server, store, **the_keys(2))
        told = await near_agent.command("storage.ensure")
        assert told.command.storage.revision >= 1
        waiting = await rollout(server, store, reached=1)
        assert waiting["message"].startswith('Reached 1 of 2 clusters; "prod-eu" is ')
        assert [one["state"] for one in waiting["details"]] == ["REACHED", "WAITING"]
        back = await server.an_agent(far)
        async with back.connected():
            sent = await back.command("storage.ensure")
            await rollout(server, store, reached=2)
    assert {one.command.storage.secret_key.get_secret_value() for one in back.of_kind("storage.ensure")} == {"new-2"}
    assert (sent.command.storage.revision, sent.command.storage.prefix) == (2, far["_id"])


async def test_refusal_is_shown_with_its_reason_and_a_late_success_of_old_keys_does_not_hide_it(server):
    store = await server.a_store()
    cluster = await server.a_cluster()
    held = asyncio.Queue()

    def hold(command):
        if command.command.kind != "storage.ensure":
            return answer(command)
        held.put_nowait(command)
        return None

    agent = await server.an_agent(cluster, answers=hold)
    async with agent.connected():
        await server.state(cluster["_id"], "ACTIVE")
        await use(server, cluster, "web")
        await changed(server, store, **the_keys(1))
        first = await held.get()
        await changed(server, store, **the_keys(2))
        second = await held.get()
        await agent.finish(second, Problem(slug="storage-unreachable", text="It said no.", remedy="Open the port."))
        await agent.finish(first, StorageEnsured(revision=1))
        shown = await rollout(server, store, reached=0)

        async def failed():
            found = (await server.get(f"objectstores/{store['_id']}"))["status"]["rollout"]
            return found if found["details"][0]["state"] == "FAILED" else None

        shown = await eventually(failed)
    assert shown["message"] == 'Reached 0 of 1 clusters; "prod-eu": It said no. Open the port.'


async def test_refused_keys_change_nothing_on_any_cluster(server):
    store = await server.a_store()
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster)
    async with agent.connected():
        await server.state(cluster["_id"], "ACTIVE")
        await use(server, cluster, "web")
        server.probe.error = ProbeError("Check the credentials and permissions.", field="s3provider.credentials")
        etag = store["_etag"]
        refused = await server.api.patch(f"/api/v1/objectstores/{store['_id']}", json=the_keys(1), headers={"If-Match": etag})
        assert refused.status_code == 422
        assert (await server.get(f"objectstores/{store['_id']}"))["_etag"] == etag
        await use(server, cluster, "again")
    assert agent.of_kind("storage.ensure") == []
    assert {one.command.storage.secret_key.get_secret_value() for one in agent.of_kind("backup.run")} == {"s3cr3t"}


async def test_proxy_cluster_says_whether_a_private_store_can_be_used(server):
    cluster = await server.a_cluster()
    problem = Problem(slug="storage-unreachable", text="AccessDenied.", remedy="")
    agent = await server.an_agent(cluster, answers=lambda one: problem if one.command.kind == "storage.probe" else answer(one))
    store = await server.a_store(private=True, proxy_cluster_list=[cluster["_id"]])
    assert store["validate_state"] == "VALIDATING"
    assert store["validate_message"] == 'Not tried out yet: "prod-eu" has not been ACTIVE yet.'
    async with agent.connected():

        async def judged():
            found = await server.get(f"objectstores/{store['_id']}")
            return found if found["validate_state"] == "FAILED" else None

        assert (await eventually(judged))["validate_message"] == "AccessDenied."
    assert (await agent.command("storage.probe")).command.storage.prefix == ""
    assert not server.probe.targets


async def test_deleted_store_leaves_the_clusters(server):
    store = await server.a_store()
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster)
    async with agent.connected():
        await server.state(cluster["_id"], "ACTIVE")
        await use(server, cluster, "web")
        await server.parts.store.collection("backupinstances").delete_many(ALL)
        assert (await server.api.delete(f"/api/v1/objectstores/{store['_id']}")).status_code == 204
        assert (await agent.command("storage.remove")).command.objectstore_id == store["_id"]

        async def is_forgotten():
            return await server.parts.store.collection("storelocations").count(ALL) == 0

        await eventually(is_forgotten)
