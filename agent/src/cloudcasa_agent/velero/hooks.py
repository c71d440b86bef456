"""Application hooks as Velero takes them. Pure.

Each command is an entry of its own, named by its place, so that Velero's log tells them apart; entries keep their order, and Velero goes through them
in order for each pod. Velero is always told to continue: with `Fail` it would leave out the pod and, worse, never run what undoes the hook.
Its log does not say in which pod a command ran, so a command that starts a shell is wrapped by the same shell, which writes that down.
Source: velero v1.18.3, internal/hook/item_hook_handler.go, pkg/backup/backup.go (backupItemBlock).
"""

from __future__ import annotations

from collections.abc import Iterable

from cloudcasa_contract.commands import HookRun

from cloudcasa_agent.kube import JsonObject

from .selectors import label_selector

ENTRY = "cc-"
MARK = "cloudcasa-hook"
WAIT = "4h0m0s"
"""How long Velero waits for a restored container: as long as it may take to bring its data back."""
_SHELLS = {"sh", "bash", "ash", "dash", "ksh", "zsh"}
_WRAP = f'"$@" >&2; code=$?; echo "{MARK} pod=${{HOSTNAME:-$(hostname)}} exit=$code" >&2; exit $code'


def entry_name(index: int, /) -> str:
    """Return what Velero calls the command at this place."""
    return f"{ENTRY}{index}"


def words(hook: HookRun, /) -> list[str]:
    """Return the command as it was given."""
    return [word.get_secret_value() for word in hook.command]


def is_wrapped(hook: HookRun, /) -> bool:
    """Tell whether the command says itself in which pod it ran."""
    return words(hook)[0].rpartition("/")[2] in _SHELLS


def backup_hooks(hooks: Iterable[HookRun], /) -> JsonObject:
    """Return the part of a Backup's spec that runs the commands; nothing when there are none."""
    entries = [_entry(index, hook) | {hook.phase: [{"exec": _exec(hook)}]} for index, hook in enumerate(hooks)]
    return {"hooks": {"resources": entries}} if entries else {}


def restore_hooks(hooks: Iterable[HookRun], /) -> JsonObject:
    """Return the part of a Restore's spec that runs the commands."""
    entries = [_entry(index, hook) | {"postHooks": [{"exec": _restore_exec(hook)}]} for index, hook in enumerate(hooks)]
    return {"hooks": {"resources": entries}} if entries else {}


def _entry(index: int, hook: HookRun) -> JsonObject:
    entry: JsonObject = {"name": entry_name(index), "includedResources": ["pods"], **label_selector(hook.labels)}
    return entry | ({"includedNamespaces": list(hook.namespaces)} if hook.namespaces else {})


def _exec(hook: HookRun) -> JsonObject:
    given = words(hook)
    command = [given[0], "-c", _WRAP, MARK, *given] if is_wrapped(hook) else given
    return _container(hook) | {"command": command, "onError": "Continue", "timeout": f"{hook.timeout_seconds}s"}


def _restore_exec(hook: HookRun) -> JsonObject:
    spec = {
        "command": words(hook),
        "onError": "Continue",
        "execTimeout": f"{hook.timeout_seconds}s",
        "waitTimeout": WAIT,
        "waitForReady": hook.wait_for_ready,
    }
    return _container(hook) | spec


def _container(hook: HookRun) -> JsonObject:
    return {"container": hook.container} if hook.container else {}
