"""Judging the hooks that a backup or restore names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..kit.errors import InvalidError
from ..kit.rest import RequestContext
from ..kit.store import Document, In
from .model import COLLECTION, TEMPLATES, HookType

Fitting = Mapping[str, HookType]
"""Field of a definition -> the type of hook that fits there."""
BACKUP_FIELDS: Fitting = {"pre_hooks": HookType.PRE_BACKUP, "post_hooks": HookType.POST_BACKUP}
RESTORE_FIELDS: Fitting = {"post_hooks": HookType.POST_RESTORE}


async def check_hooks(context: RequestContext, document: Document, /, *, fields: Fitting, than: Document | None = None) -> None:
    """Refuse hooks that do not exist or do not fit; those that `than` named already stay allowed. Raises InvalidError.

    With `template: true` either collection will do, and an id of neither is no error: clients carry ids of the original service
    (rest-api.md 2.5).
    """
    for field, fitting in fields.items():
        kept = {hook_id for _, hook_id in _named(than or {}, field)}
        named = [(is_template, hook_id) for is_template, hook_id in _named(document, field) if hook_id not in kept]
        known = await _known(context, {hook_id for _, hook_id in named})
        for is_template, hook_id in named:
            if problem := _problem(known.get(hook_id), hook_id, is_template=is_template, fitting=fitting):
                raise InvalidError(problem, issues={field: problem})


async def check_post_hook(context: RequestContext, hook: Document, /) -> None:
    """Refuse a `post_hook` that is neither a hook nor a template: a copy of a template names one. Raises InvalidError."""
    hook_id = str(hook.get("post_hook") or "").lower()
    if hook_id and not await _known(context, {hook_id}):
        message = f'There is no application hook and no template with the id "{hook_id}".'
        raise InvalidError(message, issues={"post_hook": message})


def _named(document: Document, field: str) -> Iterator[tuple[bool, str]]:
    for reference in document.get(field) or ():
        for hook_id in reference.get("hooks") or ():
            yield bool(reference.get("template")), str(hook_id).lower()


async def _known(context: RequestContext, ids: set[str]) -> Mapping[str, Document]:
    """Return the hooks by id, each with the collection it is of."""
    known: dict[str, Document] = {}
    for name in (TEMPLATES, COLLECTION) if ids else ():
        found = await context.store.collection(name).find(In("_id", tuple(ids)), projection={"name": True, "hook_type": True})
        known |= {each["_id"]: {**each, "collection": name} for each in found}
    return known


def _problem(hook: Document | None, hook_id: str, *, is_template: bool, fitting: HookType) -> str:
    if hook is None:
        return "" if is_template else f'There is no application hook with the id "{hook_id}".'
    if hook["collection"] == TEMPLATES and not is_template:
        return f'The id "{hook_id}" is of the template "{hook["name"]}". Set template to true beside it.'
    if hook.get("hook_type", HookType.COMMON) not in {HookType.COMMON, fitting}:
        return f'The hook "{hook["name"]}" is a {hook["hook_type"]} hook. Here {fitting.value} or {HookType.COMMON.value} fits.'
    return ""
