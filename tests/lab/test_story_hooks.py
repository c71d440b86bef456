"""Application hooks in real pods: what a frozen application leaves in its backup, a hook that fails, and one that runs after a restore."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from lab.build import image_ref
from tests.support.protected import Application, Protected

pytestmark = pytest.mark.lab

MARK = "/bin/sh -c 'echo {word} > /data/mark; sync'"


@pytest.fixture
def application(protected: Protected) -> Iterator[Application]:
    """An application with a volume."""
    made = Application(protected.system, image=image_ref("busybox"))
    yield made
    protected.system.kubectl("delete", "namespace", made.namespace, "--ignore-not-found", "--wait=false")


def a_hook(protected: Protected, command: str) -> str:
    rule = {"labels": {"app": "app,other"}, "target": [{"command": command}]}
    body: dict[str, Any] = {"name": f"hook-{secrets.token_hex(4)}", "hook": [rule]}
    return str(protected.client.post("kubehooks", body)["_id"])


def a_reference(application: Application, *hooks: str) -> list[dict[str, Any]]:
    return [{"template": False, "namespaces": [application.namespace], "hooks": list(hooks)}]


def read(application: Application, name: str) -> str:
    return application.shell(f"cat /data/{name}").strip()


def test_hooks_run_around_the_snapshot_and_in_the_restored_pod_and_a_failure_names_its_pod(
    protected: Protected, application: Application
) -> None:
    """The copy holds what the pre hook wrote, the application what the post hook wrote; bad hooks make a backup and a restore PARTIAL."""
    application.create(mib=1)
    freeze, thaw, after, bad = (
        a_hook(protected, command)
        for command in (
            MARK.format(word="frozen"),
            MARK.format(word="thawed"),
            "/bin/sh -c 'cat /data/mark > /data/after; sync'",
            "/bin/sh -c 'echo no room; exit 7'",
        )
    )
    hooks: dict[str, Any] = {"pre_hooks": a_reference(application, freeze), "post_hooks": a_reference(application, thaw)}
    job = protected.client.wait_for_job(protected.run(protected.define_backup(application.namespace, **hooks)))
    assert (job["state"], job["hooks"]["attempted"], job["hooks"]["failed"]) == ("COMPLETED", 2, 0), job
    assert {result["state"] for result in job["hooks"]["results"]} == {"DONE"}
    assert read(application, "mark") == "thawed"

    kubectl, everywhere = protected.kubectl, ("-n", application.namespace)
    pod = kubectl(*everywhere, "get", "pods", "-l", "app=app", "-o", "jsonpath={.items[0].metadata.name}")
    hooks = {"pre_hooks": a_reference(application, bad), "post_hooks": a_reference(application, thaw)}
    partial = protected.client.wait_for_job(protected.run(protected.define_backup(application.namespace, **hooks)))
    assert (partial["state"], partial["reason"]["slug"]) == ("PARTIAL", "hook_failed"), partial
    assert f"in pod {application.namespace}/{pod}" in partial["message"]
    states = {(result["phase"], result["pod"], result["state"], result["output"]) for result in partial["hooks"]["results"]}
    assert states == {("pre", pod, "FAILED", "no room"), ("post", pod, "DONE", "")}

    application.delete()
    hooks = {"post_hooks": a_reference(application, after, bad)}
    restored = protected.restore(protected.recovery_point(job["_id"]), namespaces=[application.namespace], **hooks)
    application.wait()
    assert (read(application, "mark"), read(application, "after")) == ("frozen", "frozen")
    assert (restored["state"], restored["reason"]["slug"]) == ("PARTIAL", "hook_failed"), restored
    told = {(result["pod"].startswith("app-"), result["state"]) for result in restored["hooks"]["results"]}
    assert told == {(True, "DONE"), (True, "FAILED")}, restored["hooks"]
