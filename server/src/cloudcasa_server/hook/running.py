"""From the hooks that a definition names to the commands that an agent is told to run, as they are when the run begins.

`pre` runs before `post`, each in the order given. What undoes a pre hook (`post_hook`) runs before the post hooks that are named, the last one first, as
one takes off what one put on; a hook that both ways lead to runs once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudcasa_contract.commands import HOOK_SECONDS, MAX_HOOKS

from ..kit.store import Document, In, Store
from .errors import HookMissingError
from .model import COLLECTION, TEMPLATES, arguments

Names = Mapping[str, str]
"""Old name of a namespace -> new."""


@dataclass(frozen=True, slots=True)
class Use:
    """A hook, and the namespaces in which it is to run."""

    hook_id: str
    namespaces: tuple[str, ...]
    field: str


def uses(references: Iterable[Mapping[str, Any]] | None, /, *, field: str) -> list[Use]:
    """Return the hooks that the references of a definition name, in their order."""
    return [
        Use(str(hook_id).lower(), tuple(reference.get("namespaces") or ()), field)
        for reference in references or ()
        for hook_id in reference.get("hooks") or ()
    ]


async def backup_commands(store: Store, definition: Mapping[str, Any], /) -> list[Document]:
    """Return the commands of a backup, in the contract's form. Raises HookMissingError."""
    pre, post = uses(definition.get("pre_hooks"), field="pre_hooks"), uses(definition.get("post_hooks"), field="post_hooks")
    known = await _known(store, [*pre, *post])
    undoing = [
        Use(str(hook_id).lower(), use.namespaces, "post_hook") for use in reversed(pre) if (hook_id := known[use.hook_id].get("post_hook"))
    ]
    known |= await _known(store, undoing)
    every_post = {(use.hook_id, use.namespaces): use for use in (*undoing, *post)}
    found = [*_commands(pre, known, phase="pre"), *_commands(every_post.values(), known, phase="post")]
    return _bounded(found)


async def restore_commands(store: Store, definition: Mapping[str, Any], /, *, names: Names) -> list[Document]:
    """Return the commands after a restore; its hooks name namespaces as the recovery point does. Raises HookMissingError."""
    post = uses(definition.get("post_hooks"), field="post_hooks")
    renamed = [Use(use.hook_id, tuple(names.get(name, name) for name in use.namespaces), use.field) for use in post]
    return _bounded(list(_commands(renamed, await _known(store, renamed), phase="post")))


async def _known(store: Store, wanted: Sequence[Use]) -> dict[str, Document]:
    ids = tuple(sorted({use.hook_id for use in wanted}))
    known: dict[str, Document] = {}
    for name in (TEMPLATES, COLLECTION) if ids else ():
        known |= {hook["_id"]: hook for hook in await store.collection(name).find(In("_id", ids))}
    if lost := next((use for use in wanted if use.hook_id not in known), None):
        text = f'There is no hook and no template with the id "{lost.hook_id}", which {lost.field} names. Take it out, or name another.'
        raise HookMissingError(text)
    return known


def _commands(wanted: Iterable[Use], known: Mapping[str, Document], *, phase: str) -> Iterator[Document]:
    for use in wanted:
        hook = known[use.hook_id]
        for rule in hook["hook"]:
            for target in rule["target"]:
                yield {
                    "hook": hook["name"],
                    "phase": phase,
                    "namespaces": list(use.namespaces),
                    "labels": dict(rule["labels"]),
                    "container": target.get("container") or "",
                    "command": arguments(target["command"]),
                    "timeout_seconds": target.get("timeout_seconds") or HOOK_SECONDS,
                    "wait_for_ready": target.get("wait_for_ready") is not False,
                }


def _bounded(commands: list[Document]) -> list[Document]:
    if len(commands) > MAX_HOOKS:
        raise HookMissingError(f"The hooks come to {len(commands)} commands; {MAX_HOOKS} can run with one backup or restore. Name fewer.")
    return commands
