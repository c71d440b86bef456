"""The declaration of `policies`."""

from __future__ import annotations

from ..kit.errors import InvalidError
from ..kit.rest import Hooks, RequestContext, Resource, Unique
from ..kit.store import Document, Or, eq
from .model import Policy


class PolicyHooks(Hooks):
    """A policy in use cannot be deleted."""

    async def before_delete(self, context: RequestContext, document: Document, /) -> None:
        """Refuse while a live definition names the policy."""
        users: list[str] = []
        for name in ("kubebackups", "kubeoffloads"):
            query = Or((eq("policy", document["_id"]), eq("copy_policy", document["_id"])))
            found = await context.store.collection(name).find(query, limit=4, projection={"name": True})
            users += [str(user["name"]) for user in found]
        if users:
            names = ", ".join(dict.fromkeys(users))
            message = f'Cannot delete policy "{document["name"]}": backups use it ({names}). Give them another policy first.'
            raise InvalidError(message, issues={"_id": message})


POLICIES = Resource(
    name="policies",
    title="policy",
    noun="policy",
    model=Policy,
    defaults={"timezone": "UTC"},
    initial=lambda: {"status": {"suspended": False}},
    unique=(Unique(("name",), 'The name "{name}" is taken by another policy.'),),
    is_shared=True,
    hooks=PolicyHooks(),
)
