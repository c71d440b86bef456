"""Hooks on their way to Velero and back: what it is told, and what is made of its logs."""

from __future__ import annotations

import pytest
from cloudcasa_agent.velero.hook_log import HookLines, without_commands
from cloudcasa_agent.velero.hook_report import backup_report
from cloudcasa_agent.velero.hook_restore import PodLines, restore_report, with_names
from cloudcasa_agent.velero.hooks import backup_hooks
from cloudcasa_contract.commands import HookRun, HookState

SHELL = ("/bin/sh", "-c", "flush")
PLAIN = ("/usr/bin/flush",)


def a_hook(*, command=SHELL, **changes):
    fields = {"hook": "flush", "phase": "pre", "namespaces": ("shop",), "labels": {"app": "db,cache"}, "command": command}
    return HookRun.model_validate(fields | changes)


def a_pod(name, *, phase="Running", annotations=None, **labels):
    metadata = {"namespace": "shop", "name": name, "labels": {"app": "db"} | labels, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "main"}]}, "status": {"phase": phase}}


def a_line(message, *, entry=0, **fields):
    pairs = {"msg": f'"{message}"', "hookName": f"cc-{entry}", "hookPhase": "pre"} | fields
    return " ".join(f"{key}={value}" for key, value in pairs.items()).encode()


def lines(*raw):
    read = HookLines()
    for line in raw:
        read.take(line)
    return read


STARTED = a_line("running exec hook")


def ended(pod, code, *, output=""):
    return a_line(rf"stderr: {output}\ncloudcasa-hook pod={pod} exit={code}\n")


def status(attempted, failed):
    return {"hookStatus": {"hooksAttempted": attempted, "hooksFailed": failed}}


def states(report):
    return {(result.pod, result.state, result.error) for result in report.results}


def test_labels_are_and_between_keys_and_or_between_values_and_velero_goes_on_after_errors():
    hook = a_hook(labels={"app": "db,cache", "tier": "back"}, command=PLAIN, container="main", timeout_seconds=90)
    (entry,) = backup_hooks([hook])["hooks"]["resources"]
    assert entry == {
        "name": "cc-0",
        "includedResources": ["pods"],
        "includedNamespaces": ["shop"],
        "labelSelector": {
            "matchLabels": {"tier": "back"},
            "matchExpressions": [{"key": "app", "operator": "In", "values": ["cache", "db"]}],
        },
        "pre": [{"exec": {"container": "main", "command": list(PLAIN), "onError": "Continue", "timeout": "90s"}}],
    }


def test_failure_is_told_for_the_pod_that_had_it_with_its_output():
    read = lines(STARTED, STARTED, ended("db-1", 0), ended("db-0", 7, output="disk full"))
    report = backup_report([a_hook()], pods=[a_pod("db-0"), a_pod("db-1")], lines=read, status=status(2, 1))
    assert states(report) == {("db-0", HookState.FAILED, "it ended with exit code 7"), ("db-1", HookState.DONE, "")}
    assert (report.results[0].output, report.attempted, report.failed) == ("disk full", 2, 1)


def test_thousands_of_pods_are_all_looked_at_and_the_failed_one_comes_first():
    names = [f"db-{number}" for number in range(8_000)]
    read = lines(*(line for name in names for line in (STARTED, a_line("stdout: "), ended(name, 3 if name == "db-7999" else 0))))
    report = backup_report([a_hook()], pods=[a_pod(name) for name in names], lines=read, status=status(8_000, 1))
    assert (report.results[0].pod, report.results[0].state, report.failed) == ("db-7999", HookState.FAILED, 1)
    assert (len(report.results), report.is_cut) == (200, True)
    assert {result.state for result in report.results[1:]} == {HookState.DONE}


def test_command_that_never_ended_is_told_apart_from_one_that_did():
    read = lines(STARTED, STARTED, ended("db-1", 0), a_line("Error executing hook", error='"timed out after 5m0s"'))
    report = backup_report([a_hook()], pods=[a_pod("db-0"), a_pod("db-1")], lines=read, status=status(2, 1))
    assert states(report) == {("db-0", HookState.FAILED, "timed out after 5m0s"), ("db-1", HookState.DONE, "")}


def test_command_without_a_shell_in_one_of_several_pods_is_not_guessed():
    read = lines(STARTED, STARTED, a_line("Error executing hook", error='"command terminated with exit code 1"'))
    pods = [a_pod("db-0"), a_pod("db-1")]
    report = backup_report([a_hook(command=PLAIN)], pods=pods, lines=read, status=status(2, 1))
    assert {result.state for result in report.results} == {HookState.UNKNOWN}
    alone = backup_report([a_hook(command=PLAIN)], pods=pods[:1], lines=read, status=status(1, 1))
    assert states(alone) == {("db-0", HookState.FAILED, "command terminated with exit code 1")}


@pytest.mark.parametrize(
    ("hook", "pod", "state", "word"),
    [
        (a_hook(), a_pod("db-0"), HookState.NOT_RUN, "does not say"),
        (a_hook(), a_pod("db-0", annotations={"pre.hook.backup.velero.io/command": "x"}), HookState.NOT_RUN, "of its own"),
        (a_hook(container="gone"), a_pod("db-0"), HookState.FAILED, 'no container "gone"'),
    ],
    ids=["silence", "annotation", "container"],
)
def test_what_left_no_trace_is_not_called_done(hook, pod, state, word):
    (result,) = backup_report([hook], pods=[pod], lines=lines(), status=status(0, 0)).results
    assert (result.state, word in result.error) == (state, True)


def test_pod_that_has_ended_needs_nothing_and_a_hook_without_pods_is_said():
    report = backup_report([a_hook()], pods=[a_pod("db-0", phase="Succeeded")], lines=lines(), status={})
    assert (report.results, report.unmatched) == ((), ())
    assert backup_report([a_hook()], pods=[a_pod("web", app="web")], lines=lines(), status={}).unmatched == ("flush",)


def test_commands_are_taken_out_of_a_log():
    log = rb'msg="running exec hook" hookCommand="[/bin/sh -c psql \"s3cr3t\"]" hookName=cc-0' + b"\nhookCommand=[s3cr3t] x=1\n"
    assert without_commands(log) == b'msg="running exec hook" hookCommand=(not shown) hookName=cc-0\nhookCommand=(not shown) x=1\n'


def restore_lines(*raw):
    read = PodLines("r-1")
    for line in raw:
        read.take(line)
    return read


def a_restore_line(message, pod, **fields):
    pairs = {"msg": f'"{message}"', "pod": pod, "restore": "r-1"} | fields
    return " ".join(f"{key}={value}" for key, value in pairs.items())


def test_restore_names_the_pod_that_failed_and_those_given_up_with_it():
    read = restore_lines(
        a_restore_line("running exec hook", "shop/db-0", hookName="cc-0"),
        a_restore_line("running exec hook", "shop/db-1", hookName="cc-0"),
        a_restore_line("stdout: ", "shop/db-1", hookName="cc-0"),
        a_restore_line("stderr: not there", "shop/db-0", hookName="cc-0"),
        a_restore_line("Error executing hook", "shop/db-0", error='"exit code 3"'),
        a_restore_line("hook cc-0 in container main in pod shop/db-2 not executed: context canceled", "x").replace("pod=x ", ""),
        a_restore_line("Error executing hook", "shop/db-1", error='"exit code 9"').replace("r-1", "r-2"),
    )
    pods = [a_pod("db-0"), a_pod("db-1"), a_pod("db-2")]
    report = restore_report([a_hook(phase="post")], pods=pods, lines=read, status=status(3, 2))
    assert states(report) == {
        ("db-0", HookState.FAILED, "exit code 3"),
        ("db-1", HookState.DONE, ""),
        ("db-2", HookState.FAILED, "it was not run: context canceled"),
    }
    assert report.results[0].output == "not there"


def test_restore_whose_velero_forgot_its_hooks_does_not_call_them_done():
    (result,) = restore_report([a_hook(phase="post")], pods=[a_pod("db-0")], lines=restore_lines(), status={}).results
    assert result.state is HookState.NOT_RUN


def test_restore_whose_log_was_rotated_away_is_told_by_velero_s_errors():
    hooks = [a_hook(phase="post"), a_hook(phase="post")]
    errors = ['namespace "shop": hook cc-1 in container main failed to execute, err: exit code 7']
    one = restore_report(hooks, pods=[a_pod("db-0")], lines=restore_lines(), status=status(2, 1), errors=errors)
    assert states(one) == {("db-0", HookState.FAILED, "exit code 7"), ("db-0", HookState.DONE, "")}
    two = restore_report(hooks, pods=[a_pod("db-0"), a_pod("db-1")], lines=restore_lines(), status=status(4, 1), errors=errors)
    assert {result.state for result in two.results} == {HookState.NOT_RUN}


def test_errors_name_hooks_as_users_know_them_and_no_command():
    text = 'hook cc-0 in container main failed: Post "https://api/exec?command=s3cr3t&container=main": EOF'
    assert with_names([text], [a_hook()]) == ('hook "flush" in container main failed: Post "https://api/exec?…": EOF',)
