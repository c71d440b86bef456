"""What became of a run's hooks: for the verdict on its job, and for the job to show. Pure.

A command that failed, did not run, or of which nobody knows, keeps a run from being called complete. That a hook met no pod is said, and is no failure:
an application that is scaled down has nothing to be made fit.
"""

from __future__ import annotations

from typing import Any

from cloudcasa_contract.commands import HookReport, HookResult, HookState

from ..kit.store import Document

MOST_SHOWN = 100
_NAMED = 5
_TOO_OLD = "its hooks did not run, since the agent does not know hooks. Apply the cluster's manifest again to update it"


def hook_troubles(report: HookReport | None, /, *, is_ordered: bool) -> list[str]:
    """Return what is wrong with the hooks of a run, in parts of a sentence."""
    if report is None:
        return [_TOO_OLD] if is_ordered else []
    bad = [result for result in report.results if result.state is not HookState.DONE]
    named = [_trouble(result) for result in bad[:_NAMED]]
    more = max(len(bad), report.failed if not bad else 0) - len(named)
    return named + (
        [f"{more} more hooks did not end well" if named else f"{more} hooks failed, in pods that are not known"] if more > 0 else []
    )


def _trouble(result: HookResult) -> str:
    where = (
        f" in pod {result.namespace}/{result.pod}" + (f" (container {result.container})" if result.container else "") if result.pod else ""
    )
    verb = {HookState.FAILED: "failed", HookState.NOT_RUN: "did not run"}.get(result.state, "may have failed")
    output = f' (it wrote "{result.output}")' if result.output else ""
    return f'{result.phase} hook "{result.hook}" {verb}{where}: {result.error}{output}'


def hook_note(report: HookReport | None, /) -> str:
    """Return a sentence about hooks that met no pod; empty when there are none."""
    if report is None or not report.unmatched:
        return ""
    names = ", ".join(f'"{name}"' for name in report.unmatched)
    return f" No pod matched the labels and namespaces of {'these hooks' if len(report.unmatched) > 1 else 'this hook'}: {names}."


def hooks_shown(report: HookReport | None, /) -> dict[str, Any]:
    """Return the field of the job; none when no hooks ran."""
    if report is None:
        return {}
    results: list[Document] = [result.model_dump(mode="json") for result in report.results[:MOST_SHOWN]]
    shown = {"attempted": report.attempted, "failed": report.failed, "results": results, "unmatched": list(report.unmatched)}
    return {"hooks": shown | {"is_cut": report.is_cut or len(report.results) > MOST_SHOWN}}
