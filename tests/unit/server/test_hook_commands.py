"""From hooks that a definition names to the commands of a run: order, namespaces, what undoes them, and what is not there."""

from __future__ import annotations

from itertools import count

import pytest
from cloudcasa_contract.commands import HookReport, HookResult, HookState
from cloudcasa_server.hook.errors import HookMissingError
from cloudcasa_server.hook.outcome import hook_note, hook_troubles
from cloudcasa_server.hook.running import backup_commands, restore_commands
from cloudcasa_server.hook.templates import templates

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "61b3bb7b555abc4d71d0a7bf"
MYSQL = "1e850438677a94f35269b913"
_numbers = count()


async def a_hook(shared, *commands, **changes):
    rule = {"labels": {"app": "db"}, "target": [{"command": command} for command in commands]}
    return await shared.make("kubehooks", **({"name": f"command-{next(_numbers)}", "hook": [rule]} | changes))


def said(commands):
    return [(command["phase"], command["command"], command["namespaces"]) for command in commands]


async def test_commands_keep_their_order_and_what_undoes_them_runs_last_one_first(shared):
    thaw = [await a_hook(shared, f"thaw {number}") for number in (1, 2)]
    freeze = [
        await a_hook(shared, "freeze 1", "check", post_hook=thaw[0]["_id"]),
        await a_hook(shared, "freeze 2", post_hook=thaw[1]["_id"]),
    ]
    report = await a_hook(shared, "report")
    pre = [{"namespaces": ["shop"], "hooks": [hook["_id"] for hook in freeze]}]
    post = [{"namespaces": ["shop"], "hooks": [thaw[0]["_id"], report["_id"]]}]
    assert said(await backup_commands(shared.parts.store, {"pre_hooks": pre, "post_hooks": post})) == [
        ("pre", ["freeze", "1"], ["shop"]),
        ("pre", ["check"], ["shop"]),
        ("pre", ["freeze", "2"], ["shop"]),
        ("post", ["thaw", "2"], ["shop"]),
        ("post", ["thaw", "1"], ["shop"]),
        ("post", ["report"], ["shop"]),
    ]


async def test_template_brings_what_undoes_it(shared):
    commands = await backup_commands(shared.parts.store, {"pre_hooks": [{"template": True, "hooks": [MYSQL]}]})
    assert [command["phase"] for command in commands] == ["pre", "post"]
    names = {template["_id"]: template["name"] for template in templates()}
    assert commands[0]["hook"] == names[MYSQL]


async def test_hooks_of_a_restore_follow_its_namespaces_to_their_new_names(shared):
    hook = await a_hook(shared, "check")
    references = [{"namespaces": ["shop", "other"], "hooks": [hook["_id"]]}]
    commands = await restore_commands(shared.parts.store, {"post_hooks": references}, names={"shop": "shop-new"})
    assert said(commands) == [("post", ["check"], ["shop-new", "other"])]


async def test_hook_that_is_not_there_is_named(shared):
    with pytest.raises(HookMissingError, match=f'"{UNKNOWN}", which post_hooks names'):
        await backup_commands(shared.parts.store, {"post_hooks": [{"template": True, "hooks": [UNKNOWN]}]})


async def test_more_commands_than_velero_may_be_asked_for_are_refused(shared):
    hook = await a_hook(shared, *["sync"] * 50)
    with pytest.raises(HookMissingError, match="550 commands"):
        await backup_commands(shared.parts.store, {"pre_hooks": [{"hooks": [hook["_id"]] * 11}]})


def a_result(state, **changes):
    names = {"hook": "flush", "phase": "pre", "namespace": "shop", "pod": "db-0", "container": "db"}
    return HookResult(**(names | {"state": state} | changes))


async def test_trouble_names_pod_and_hook():
    report = HookReport(attempted=2, failed=1, results=(a_result(HookState.FAILED, error="it ended with exit code 7", output="no"),))
    assert hook_troubles(report, is_ordered=True) == [
        'pre hook "flush" failed in pod shop/db-0 (container db): it ended with exit code 7 (it wrote "no")'
    ]


@pytest.mark.parametrize(
    ("report", "is_ordered", "word"),
    [
        (None, True, "does not know hooks"),
        (HookReport(attempted=3, failed=2), True, "2 hooks failed"),
        (HookReport(results=(a_result(HookState.NOT_RUN, error="e"),)), True, "did not run"),
        (HookReport(results=(a_result(HookState.UNKNOWN, error="e"),)), True, "may have failed"),
        (HookReport(failed=9, results=tuple(a_result(HookState.FAILED, error="e") for _ in range(9))), True, "4 more hooks"),
    ],
    ids=["old agent", "pods gone", "not run", "unclear", "many"],
)
async def test_what_did_not_surely_run_well_is_trouble(report, is_ordered, word):
    assert any(word in text for text in hook_troubles(report, is_ordered=is_ordered))


async def test_hooks_that_ran_are_no_trouble_and_one_that_met_no_pod_is_said():
    report = HookReport(attempted=1, results=(a_result(HookState.DONE),), unmatched=("thaw",))
    assert hook_troubles(report, is_ordered=True) == []
    assert hook_note(report) == ' No pod matched the labels and namespaces of this hook: "thaw".'
    assert (hook_troubles(None, is_ordered=False), hook_note(None)) == ([], "")
