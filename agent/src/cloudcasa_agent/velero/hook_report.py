"""What became of the hooks of a backup, in each pod. Pure.

Held against each other: the pods that a command was meant for, the lines of Velero's log, and Velero's count. What has no trace of having run well is not
called done. Source: velero v1.18.3, internal/hook.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloudcasa_contract.commands import HookReport, HookResult, HookRun, HookState

from cloudcasa_agent.kube import JsonObject

from .hook_log import HookLines
from .hook_pods import container_of, has_ended, host_name, matching, own_hook
from .hooks import is_wrapped

MOST_RESULTS = 200
_BEST = [HookState.FAILED, HookState.NOT_RUN, HookState.UNKNOWN, HookState.DONE]


@dataclass(frozen=True)
class Case:
    """One command and one pod that it was meant for."""

    index: int
    hook: HookRun
    pod: JsonObject

    def result(self, state: HookState, error: str = "", output: str = "") -> HookResult:
        """Return what became of it."""
        metadata = self.pod["metadata"]
        container = container_of(self.hook, self.pod) or self.hook.container
        names = {"hook": self.hook.hook, "phase": self.hook.phase, "namespace": metadata["namespace"], "pod": metadata["name"]}
        return HookResult(**names, container=container, state=state, error=error, output=output)


def backup_report(hooks: Sequence[HookRun], *, pods: Iterable[JsonObject], lines: HookLines, status: JsonObject) -> HookReport:
    """Return the report of a backup; `pods` are those that it took."""
    there = list(pods)
    cases = [Case(index, hook, pod) for index, hook in enumerate(hooks) for pod in matching(hook, there)]
    known: list[HookResult] = []
    silent: list[Case] = []
    started = Counter(lines.started)
    for case in (case for case in cases if not has_ended(case.pod)):
        if (index_host := (case.index, host_name(case.pod))) in lines.exits:
            started[case.index] -= 1
            known.append(_told(case, *lines.exits[index_host]))
        elif result := _hindered(case):
            known.append(result)
        else:
            silent.append(case)
    failed = (status.get("hookStatus") or {}).get("hooksFailed", 0) - sum(result.state is HookState.FAILED for result in known)
    known += _by_count(silent, lines, started=started, failed=max(0, failed))
    return report(known, status=status, unmatched=_unmatched(hooks, cases, lines))


def _told(case: Case, code: int, output: str) -> HookResult:
    return case.result(HookState.FAILED, f"it ended with exit code {code}", output) if code else case.result(HookState.DONE)


def _hindered(case: Case) -> HookResult | None:
    """Return why a command could not run in a pod; None when nothing is known to be in the way."""
    if annotation := own_hook(case.pod, case.hook.phase):
        text = f"the pod brings a hook of its own ({annotation}), and Velero then runs no other in it"
        return case.result(HookState.NOT_RUN, text)
    if not container_of(case.hook, case.pod):
        return case.result(HookState.FAILED, f'it has no container "{case.hook.container}"')
    return None


def _by_count(cases: Sequence[Case], lines: HookLines, *, started: Counter[int], failed: int) -> list[HookResult]:
    """Return the results of commands that did not say in which pod they ran: done, if as many as were meant to start did and none failed."""
    results: list[HookResult] = []
    for index in sorted({case.index for case in cases}):
        mine = [case for case in cases if case.index == index]
        if failed:
            results += _unclear(mine, cases, lines, failed=failed)
        elif started[index] >= len(mine):
            results += [case.result(HookState.DONE) for case in mine]
        else:
            results += [case.result(HookState.NOT_RUN, "Velero does not say that it ran") for case in mine]
    return results


def _unclear(mine: Sequence[Case], cases: Sequence[Case], lines: HookLines, *, failed: int) -> list[HookResult]:
    """Return the results of one command when some failed: all of them, if there are no more candidates than failures."""
    errors = lines.errors.get(mine[0].hook.phase) or ["Velero names no reason"]
    error = next((text for text in reversed(errors) if "exit code" not in text), errors[-1])
    if failed >= len(cases) or is_wrapped(mine[0].hook):
        return [case.result(HookState.FAILED, error) for case in mine]
    return [case.result(HookState.UNKNOWN, f"{failed} of {len(cases)} failed, Velero does not say in which pod: {error}") for case in mine]


def _unmatched(hooks: Sequence[HookRun], cases: Iterable[Case], lines: HookLines) -> tuple[str, ...]:
    met = {case.index for case in cases} | {index for index, count in (lines.started + lines.idle).items() if count}
    return tuple(dict.fromkeys(hook.hook for index, hook in enumerate(hooks) if index not in met))


def report(results: Iterable[HookResult], *, status: JsonObject, unmatched: tuple[str, ...]) -> HookReport:
    """Return the report, with what did not go well before the rest."""
    told = status.get("hookStatus") or {}
    ordered = sorted(results, key=lambda result: _BEST.index(result.state))
    failed = sum(result.state is HookState.FAILED for result in ordered)
    return HookReport(
        attempted=told.get("hooksAttempted", 0),
        failed=max(told.get("hooksFailed", 0), failed),
        results=tuple(ordered[:MOST_RESULTS]),
        is_cut=len(ordered) > MOST_RESULTS,
        unmatched=unmatched,
    )
