"""Application hooks on their way from a definition to the agent, and what became of them on the way back."""

from __future__ import annotations

from cloudcasa_contract.commands import HookReport, HookResult, HookState, RestoreOutput

from tests.support.scripted_agent import a_backup, answer

UNKNOWN = "61b3bb7b555abc4d71d0a7bf"
RAN = HookReport(attempted=1)
FAILED = HookReport(
    attempted=1,
    failed=1,
    results=(
        HookResult(hook="freeze", phase="pre", namespace="web", pod="db-0", state=HookState.FAILED, error="it ended with exit code 7"),
    ),
)


def answering(*, backup, restore=None):
    def answers(command):
        if command.command.kind == "backup.run":
            return backup
        return restore if restore is not None and command.command.kind == "restore.run" else answer(command)

    return answers


async def a_hooked_run(server, agent_answers, **fields):
    await server.a_store()
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster)
    agent.answers = agent_answers
    async with agent.connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"], **fields)
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        return await server.job(backupdef=backup["_id"]), agent.of_kind("backup.run")


async def a_freeze(server):
    rule = {"labels": {"app": "db"}, "target": [{"command": "/bin/sh -c 'freeze s3cr3t'"}]}
    return await server.make("kubehooks", name="freeze", hook=[rule])


async def test_hook_reaches_the_agent_and_the_job_shows_that_it_ran(server):
    hook = await a_freeze(server)
    reference = [{"namespaces": ["web"], "hooks": [hook["_id"]]}]
    job, (sent,) = await a_hooked_run(server, answering(backup=a_backup(hooks=RAN)), pre_hooks=reference)
    (command,) = sent.command.hooks
    assert [word.get_secret_value() for word in command.command] == ["/bin/sh", "-c", "freeze s3cr3t"]
    assert (command.phase, command.namespaces, command.labels, command.timeout_seconds) == ("pre", ("web",), {"app": "db"}, 300)
    assert "s3cr3t" not in repr(sent)
    assert (job["state"], job["hooks"]["attempted"], job["hooks"]["failed"]) == ("COMPLETED", 1, 0)


async def test_failed_hook_makes_the_run_partial_and_names_pod_and_hook(server):
    hook = await a_freeze(server)
    job, _ = await a_hooked_run(server, answering(backup=a_backup(hooks=FAILED)), pre_hooks=[{"hooks": [hook["_id"]]}])
    assert (job["state"], job["reason"]["slug"]) == ("PARTIAL", "hook_failed")
    assert 'pre hook "freeze" failed in pod web/db-0: it ended with exit code 7' in job["message"]
    assert job["hooks"]["results"][0]["pod"] == "db-0"


async def test_agent_that_knows_no_hooks_never_makes_a_complete_run(server):
    hook = await a_freeze(server)
    job, _ = await a_hooked_run(server, answering(backup=a_backup()), post_hooks=[{"hooks": [hook["_id"]]}])
    assert (job["state"], "does not know hooks" in job["message"]) == ("PARTIAL", True)


async def test_template_that_is_not_there_ends_the_run_before_anything_is_done(server):
    job, sent = await a_hooked_run(server, answer, pre_hooks=[{"template": True, "hooks": [UNKNOWN]}])
    assert (job["state"], UNKNOWN in job["message"], sent) == ("FAILED", True, [])
    assert job["reason"]["slug"] == "hook_missing"


async def test_restore_runs_hooks_in_the_new_namespaces_and_refuses_those_before(server):
    hook = await a_freeze(server)
    await server.a_store()
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster)
    restored = RestoreOutput(phase="Completed", hooks=FAILED)
    agent.answers = answering(backup=a_backup(), restore=restored)
    async with agent.connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        await server.act(f"kubebackups/{backup['_id']}/action/run")
        await server.job(backupdef=backup["_id"])
        point = (await server.get("backupinstances"))["_items"][0]
        body = {"backup_inst": point["_id"], "selection": {"namespaces": ["web"]}, "namespaces_suffix": "-2"}
        references = [{"namespaces": ["web"], "hooks": [hook["_id"]]}]
        refused = await server.post("kuberestores", name="before", pre_hooks=references, **body)
        assert (refused.status_code, list(refused.json()["_issues"])) == (422, ["pre_hooks"])
        restore = await server.make("kuberestores", name="after", post_hooks=references, **body)
        job = await server.job(restoredef=restore["_id"])
        (command,) = (await agent.command("restore.run")).command.hooks
    assert command.namespaces == ("web-2",)
    assert (job["state"], "web/db-0" in job["message"], job["hooks"]["failed"]) == ("PARTIAL", True, 1)
