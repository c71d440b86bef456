"""The declaration of `policies`, and what one would do."""

from __future__ import annotations

from ..kit.errors import InvalidError
from ..kit.rest import Docs, Hooks, RequestContext, Resource, Unique, parse, read_object
from ..kit.rest.documents import IGNORED
from ..kit.store import Document, Or, eq
from .model import Policy
from .preview import PreviewRequest, preview
from .service import Schedules
from .shown import EXAMPLE, PolicyShown


class PolicyHooks(Hooks):
    """A policy in use cannot be deleted; when it changes, its definitions are told."""

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Let nothing fire by what is about to change."""
        if when(old) != when(new):
            await context.service(Schedules).touch_policy(new["_id"], is_done=False)
        return new

    async def after_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Have the next runs worked out at once."""
        if when(old) != when(new):
            await context.service(Schedules).touch_policy(new["_id"], is_done=True)
        return new

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Refuse while a live definition names the policy.

        `copy_policy` stands for a copy's: a copy that no backup points to any more never fires, and Terraform leaves such behind.
        """
        users: list[str] = []
        query = Or((eq("policy", document["_id"]), eq("copy_policy", document["_id"])))
        for name, noun in (("kubebackups", "backup"), ("kubemigrations", "migration")):
            users += await context.named(name, noun, query, limit=_SHOWN)
        if users:
            message = f'Cannot delete policy "{document["name"]}": it is used by {", ".join(users)}. Give them another policy first.'
            raise InvalidError(message, issues={"_id": message})


_SHOWN = 4


def when(policy: Document, /) -> tuple[object, ...]:
    """Return what of a policy says when things run and how long they are kept."""
    return tuple(policy.get(key) for key in ("timezone", "schedules", "jitter_seconds"))


POLICIES = Resource(
    name="policies",
    title="policy",
    noun="policy",
    model=Policy,
    defaults={"timezone": "UTC"},
    additions=frozenset({"jitter_seconds"}),
    initial=lambda: {"status": {"suspended": False}},
    unique=(Unique(("name",), 'The name "{name}" is taken by another policy.'),),
    is_shared=True,
    hooks=PolicyHooks(),
    docs=Docs(shown=PolicyShown, example=EXAMPLE),
)


async def show_preview(context: RequestContext, /) -> Document:
    """Answer the next runs of a policy that need not be stored, and what changes of the clock do to them."""
    body = await read_object(context.request)
    wanted = parse({key: value for key, value in body.items() if key not in IGNORED}, PreviewRequest, noun="policy")
    after = context.clock.timestamp() if wanted.after is None else wanted.after
    return preview(body, after=after, count=wanted.runs)
