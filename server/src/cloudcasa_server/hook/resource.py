"""The declarations of `kubehooks` and of the templates, which clients only read. Source: rest-api.md 2.5."""

from __future__ import annotations

from ..kit.errors import InvalidError
from ..kit.rest import READ_METHODS, Docs, Hooks, RequestContext, Resource, Unique
from ..kit.store import Document, Or, eq
from .model import COLLECTION, TEMPLATES, AppHook
from .service import check_post_hook
from .shown import EXAMPLE

_SHOWN = 4
_USERS = (("kubebackups", "backup", ("",)), ("kuberestores", "restore", ("",)), ("kubemigrations", "migration", ("backup.", "restore.")))
"""Collection, noun, and where in its documents the lists of hooks are."""


class HookHooks(Hooks):
    """A hook in use cannot be deleted: the backup would go on without it, and look as good as before."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Judge the hook that undoes it."""
        await check_post_hook(context, document)
        return document

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Judge it when it changed."""
        if new.get("post_hook") != old.get("post_hook"):
            await check_post_hook(context, new)
        return new

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Refuse while a definition or another hook names it."""
        users: list[str] = []
        for name, noun, halves in _USERS:
            named = Or(tuple(eq(f"{half}{field}.hooks", document["_id"]) for half in halves for field in ("pre_hooks", "post_hooks")))
            users += await context.named(name, noun, named, limit=_SHOWN)
        found = await context.store.collection(COLLECTION).find(eq("post_hook", document["_id"]), limit=_SHOWN)
        users += [f'hook "{each["name"]}"' for each in found if each["_id"] != document["_id"]]
        if users:
            message = f'Cannot delete the hook "{document["name"]}": it is used by {", ".join(users)}. Take it out there first.'
            raise InvalidError(message, issues={"_id": message})


HOOKS = Resource(
    name=COLLECTION,
    title="Kubehook",
    noun="application hook",
    model=AppHook,
    defaults={"hook_type": "COMMON"},
    unique=(Unique(("name",), 'The name "{name}" is taken by another hook.'),),
    is_shared=True,
    docs=Docs(example=EXAMPLE),
    hooks=HookHooks(),
)
HOOK_TEMPLATES = Resource(
    name=TEMPLATES,
    title="Kubehooktemplate",
    noun="hook template",
    model=AppHook,
    references={"post_hook": TEMPLATES},
    unique=(),
    methods=READ_METHODS,
    is_shared=True,
    docs=Docs(example=EXAMPLE),
)
