"""What became of the hooks of a restore, in each pod: Velero tells it in its own log only, where each line names the pod.

One failure makes Velero give up the hooks that still wait in other pods; they are named too.
Source: velero v1.18.3, internal/hook/wait_exec_hook_handler.go, pkg/restore/restore.go (hooksWaitExecutor).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cloudcasa_contract.commands import HookReport, HookResult, HookRun, HookState

from cloudcasa_agent.kube import JsonObject

from .hook_log import OUTPUT_CHARACTERS, fields_of, without_address
from .hook_pods import container_of, matching, own_hook, pod_name
from .hook_report import Case, report
from .hooks import ENTRY

_NOT_EXECUTED = re.compile(rf"hook {ENTRY}(\d+) in container \S+ in pod (\S+) not executed: (.*)", re.DOTALL)
_NAMED = re.compile(rf"\bhook {ENTRY}(\d+)\b")
_FAILED = re.compile(rf'namespace "([^"]*)": hook {ENTRY}(\d+) in container (?:\S+ failed to execute, err: (.*)|\S+ expired.*)', re.DOTALL)
Key = tuple[str, int]
"""namespace/name of a pod, and the place of a command."""


@dataclass
class PodLines:
    """What Velero's log says of one restore's hooks."""

    restore: str
    errors: dict[Key, str] = field(default_factory=dict)
    """Empty: it ran well."""
    outputs: dict[Key, str] = field(default_factory=dict)
    _running: dict[str, int] = field(default_factory=dict)

    def take(self, raw: str, /) -> None:
        """Read one line."""
        if "ook" not in raw or (line := fields_of(raw)).get("restore") != self.restore:
            return
        message, pod = line.get("msg", ""), line.get("pod", "")
        name = line.get("hookName", "").removeprefix(ENTRY)
        if found := _NOT_EXECUTED.match(message):
            self.errors[found[2], int(found[1])] = f"it was not run: {found[3]}"
        elif message == "running exec hook" and name.isdigit():
            self._running[pod] = int(name)
        elif pod in self._running:
            self._take_end((pod, self._running[pod]), message, line)

    def _take_end(self, key: Key, message: str, line: Mapping[str, str]) -> None:
        if message.startswith(("stdout: ", "stderr: ")):
            self.errors.setdefault(key, "")
            self.outputs[key] = f"{self.outputs.get(key, '')}{message[8:]}"[-OUTPUT_CHARACTERS:].strip()
        elif message == "Error executing hook":
            self.errors[key] = without_address(line.get("error", ""))


def restore_report(
    hooks: Sequence[HookRun], *, pods: Iterable[JsonObject], lines: PodLines, status: JsonObject, errors: Iterable[str] = ()
) -> HookReport:
    """Return the report of a restore; `pods` are those that it made. Where Velero's log was rotated away, its `errors` tell of single pods."""
    there = list(pods)
    cases = [Case(index, hook, pod) for index, hook in enumerate(hooks) for pod in matching(hook, there)]
    told = status.get("hookStatus") or {}
    is_well = told.get("hooksFailed", 0) == 0 and told.get("hooksAttempted", 0) >= len(cases)
    told_errors = 0
    if not lines.errors and told.get("hooksAttempted", 0) >= len(cases):
        told_errors = _from_errors(cases, lines, errors)
    is_well = is_well or (told_errors > 0 and told_errors == told.get("hooksFailed", 0))
    results = [_result(case, lines, is_well=is_well) for case in cases]
    present = {(pod_name(case.pod), case.index) for case in cases}
    results += [_gone(key, hooks[key[1]], error) for key, error in lines.errors.items() if key not in present and key[1] < len(hooks)]
    met = {case.index for case in cases} | {index for _, index in lines.errors}
    unmatched = tuple(dict.fromkeys(hook.hook for index, hook in enumerate(hooks) if index not in met))
    return report(results, status=status, unmatched=unmatched)


def _result(case: Case, lines: PodLines, *, is_well: bool) -> HookResult:
    key = pod_name(case.pod), case.index
    if error := lines.errors.get(key):
        return case.result(HookState.FAILED, error, lines.outputs.get(key, ""))
    if annotation := own_hook(case.pod, "restore"):
        text = f"the pod brings a hook of its own ({annotation}), and Velero then runs no other in it"
        return case.result(HookState.NOT_RUN, text)
    if not container_of(case.hook, case.pod):
        return case.result(HookState.FAILED, f'it has no container "{case.hook.container}"')
    if is_well or key in lines.errors:
        return case.result(HookState.DONE)
    return case.result(HookState.NOT_RUN, "Velero does not say that it ran")


def _from_errors(cases: Sequence[Case], lines: PodLines, errors: Iterable[str]) -> int:
    """Take over the errors that can be of one pod only; return how many those were."""
    taken = 0
    for found in filter(None, map(_FAILED.match, errors)):
        index = int(found[2])
        mine = [case for case in cases if case.index == index and case.pod["metadata"]["namespace"] == found[1]]
        if len(mine) == 1:
            lines.errors[pod_name(mine[0].pod), index] = without_address(found[3] or "it was not run in time")
            taken += 1
    return taken


def _gone(key: Key, hook: HookRun, error: str) -> HookResult:
    namespace, _, name = key[0].partition("/")
    state = HookState.FAILED if error else HookState.DONE
    return HookResult(hook=hook.hook, phase=hook.phase, namespace=namespace, pod=name, container=hook.container, state=state, error=error)


def with_names(errors: Iterable[str], hooks: Sequence[HookRun], /) -> tuple[str, ...]:
    """Return Velero's errors with the names that users know, and without commands."""

    def name(found: re.Match[str]) -> str:
        index = int(found[1])
        return f'hook "{hooks[index].hook}"' if index < len(hooks) else found[0]

    return tuple(without_address(_NAMED.sub(name, text)) for text in errors)
