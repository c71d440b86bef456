"""The pre-flight from the server's side: asked for unasked and on request, shown on the cluster, and never of a cluster that is not the agent's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from cloudcasa_contract.commands import EngineOutput, Finding, PreflightOutput, Problem
from cloudcasa_contract.frames import Capability

from tests.support.scripted_agent import answer, eventually

CAN = frozenset({Capability.PREFLIGHT.value})
FOUND = Finding(slug="no-snapshot-class", text="There is none.", remedy="Make one.", severity="degrades")


def finding(*findings):
    output = PreflightOutput(checked_at=datetime.now(UTC), findings=findings)
    return lambda command: output if command.command.kind == "preflight.run" else answer(command)


async def shown(server, cluster, wanted):
    async def look():
        status = (await server.get(f"kubeclusters/{cluster['_id']}"))["status"]
        return status if wanted(status) else None

    return await eventually(look)


async def test_agent_that_can_is_asked_unasked_and_what_it_found_is_shown(server):
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster, answers=finding(FOUND), capabilities=CAN)).connected():
        status = await shown(server, cluster, lambda status: "preflight" in status)
    assert status["preflight"]["findings"] == [FOUND.model_dump(mode="json")]
    assert status["findings"] == ["There is none. Make one."]


async def test_question_holds_the_stores_address_and_no_key(server):
    await server.a_store()
    cluster = await server.a_cluster(allow_foreign_velero=True)
    async with (await server.an_agent(cluster, capabilities=CAN)).connected() as agent:
        asked = (await agent.command("preflight.run")).command
        ensured = (await agent.command("engine.ensure")).command
    assert [(store.name, store.endpoint) for store in asked.stores] == [("lab", "https://s3.example:9000")]
    assert asked.allow_foreign_velero
    assert ensured.allow_foreign_velero
    assert asked.asked_at is not None
    assert "s3cr3t" not in asked.model_dump_json()


async def test_request_answers_what_was_found_then(server):
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster, capabilities=CAN, answers=finding())).connected() as agent:
        await shown(server, cluster, lambda status: "preflight" in status)
        agent.answers = finding(FOUND)
        answered = await server.act(f"kubeclusters/{cluster['_id']}/action/preflight")
    assert [each["slug"] for each in answered["status"]["preflight"]["findings"]] == ["no-snapshot-class"]


async def test_second_request_waits_for_the_question_that_is_under_way(server):
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster, capabilities=CAN)).connected() as agent:
        await shown(server, cluster, lambda status: "preflight" in status)
        agent.answers = lambda command: None if command.command.kind == "preflight.run" else answer(command)
        request = asyncio.create_task(server.act(f"kubeclusters/{cluster['_id']}/action/preflight"))
        asked = await agent.command("preflight.run", count=2)
        assert await server.parts.clusters.look_over(cluster["_id"]) == asked.command_id
        await agent.finish(asked, PreflightOutput(checked_at=datetime.now(UTC), findings=(FOUND,)))
        assert (await request)["status"]["findings"] == ["There is none. Make one."]
    assert len(agent.of_kind("preflight.run")) == 2


async def test_agent_that_cannot_is_not_asked_and_a_request_says_so(server):
    cluster = await server.a_cluster()
    path = f"kubeclusters/{cluster['_id']}/action/preflight"
    assert (await server.post(path)).status_code == 409
    async with (await server.an_agent(cluster)).connected() as agent:
        await server.state(cluster["_id"], "ACTIVE")
        refused = await server.post(path)
        assert refused.status_code == 409
        assert "too old" in refused.text
        assert agent.of_kind("preflight.run") == []


async def test_look_that_failed_leaves_what_was_found_before(server):
    cluster = await server.a_cluster()
    async with (await server.an_agent(cluster, capabilities=CAN, answers=finding(FOUND))).connected() as agent:
        before = await shown(server, cluster, lambda status: "preflight" in status)
        agent.answers = lambda command: Problem(slug="kubernetes-unavailable", text="Away.")
        answered = await server.act(f"kubeclusters/{cluster['_id']}/action/preflight")
    assert answered["status"]["preflight"] == before["preflight"]


async def test_update_of_the_engine_that_was_taken_back_leaves_the_cluster_active_and_says_so(server):
    cluster = await server.a_cluster()
    problem = Problem(slug="engine-update-failed", text="It runs again.", remedy="Look at the image.")
    output = EngineOutput(velero_version="v1.18.3", update_problem=problem)

    def answers(command):
        return output if command.command.kind == "engine.ensure" else finding(FOUND)(command)

    async with (await server.an_agent(cluster, capabilities=CAN, answers=answers)).connected():
        await server.state(cluster["_id"], "ACTIVE")
        status = await shown(server, cluster, lambda status: len(status.get("findings", ())) == 2)
    assert status["findings"] == ["It runs again. Look at the image.", "There is none. Make one."]


async def test_put_by_a_client_that_does_not_know_it_keeps_the_permission(server):
    cluster = await server.a_cluster(allow_foreign_velero=True)
    path = f"/api/v1/kubeclusters/{cluster['_id']}"
    answered = await server.api.put(path, json={"name": cluster["name"]}, headers={"If-Match": cluster["_etag"]})
    assert answered.status_code == 200
    assert (await server.get(f"kubeclusters/{cluster['_id']}"))["allow_foreign_velero"] is True
