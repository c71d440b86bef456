"""The declarations of `notificationchannels` and `notificationdeliveries`, our own additions, and the action that tries a channel out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..kit.errors import InvalidError
from ..kit.rest import READ_METHODS, Docs, Hooks, RequestContext, Resource, Unique
from ..kit.rest.paths import get
from ..kit.store import Document, Index, eq
from .model import CHANNELS, DELIVERIES, Channel
from .senders import SendError
from .service import Notifications
from .shown import DELIVERY_EXAMPLE, EXAMPLE, ChannelShown, DeliveryShown

_NEEDED = {"webhook": ("webhook.url", "webhook.secret"), "slack": ("slack.url",), "email": ()}


class ChannelHooks(Hooks):
    """A channel says where it goes, and is whole: what is left out of a change is kept, so it is judged after that."""

    async def before_create(self, context: RequestContext, document: Document, /) -> Document:
        """Refuse what could not work."""
        return self._placed(context, document)

    async def before_update(self, context: RequestContext, old: Document, new: Document, /) -> Document:
        """Let what waits for a failing channel be tried at once: it may be mended now."""
        is_waited_for = old["work"]["due_at"] is not None
        work = {**new["work"], "due_at": context.clock.now().timestamp()} if is_waited_for else new["work"]
        return self._placed(context, new | {"work": work})

    async def after_delete(self, context: RequestContext, document: Document, /) -> None:
        """Drop what was on its way."""
        await context.store.collection(DELIVERIES).delete_many(eq("channel", document["_id"]))

    def _placed(self, context: RequestContext, document: Document) -> Document:
        kind = document["kind"]
        for path in _NEEDED[kind]:
            if not get(document, path):
                field = path.partition(".")[2]
                text = f'The channel "{document["name"]}" needs {path}.'
                raise InvalidError(text, issues={kind: {field: text}})
        service = context.service(Notifications)
        sender = service.senders[kind]
        if reason := sender.refusal():
            raise InvalidError(reason, issues={"kind": reason})
        status = {**document["status"], "place": sender.place(service.channels.reveal(document))}
        return document | {"status": status}


async def test(context: RequestContext, document: Document, body: Mapping[str, Any], /) -> Mapping[str, Any]:
    """Send a message that says that it is a test, and answer the channel."""
    del body
    service = context.service(Notifications)
    try:
        await service.test(document)
    except SendError as error:
        raise InvalidError(f'The channel "{document["name"]}" does not work: {error.text}') from error
    return await service.channels.get(document["_id"])


NOTIFICATION_CHANNELS = Resource(
    name=CHANNELS,
    title="Notificationchannel",
    noun="notification channel",
    model=Channel,
    defaults={"enabled": True},
    initial=lambda: {
        "status": {"state": "UNTRIED", "message": ""},
        "work": {"due_at": None, "lease_until": 0.0, "rings": 0, "failures": 0},
    },
    immutable=frozenset({"kind"}),
    write_only=frozenset({"webhook.url", "webhook.secret", "slack.url"}),
    hidden=frozenset({"work"}),
    references={"clusters": "kubeclusters"},
    unique=(Unique(("name",), 'The name "{name}" is taken by another notification channel.'),),
    indexes=(Index("due", (("work.due_at", 1),)),),
    hooks=ChannelHooks(),
    docs=Docs(shown=ChannelShown, example=EXAMPLE),
)
NOTIFICATION_DELIVERIES = Resource(
    name=DELIVERIES,
    title="Notificationdelivery",
    noun="delivery",
    references={"channel": CHANNELS, "alert": "alerts"},
    unique=(Unique(("channel", "alert"), "This alert is on its way to this channel already."),),
    indexes=(
        Index("channel", (("channel", 1), ("state", 1), ("_created", 1))),
        Index("created", (("_created", -1),)),
    ),
    methods=READ_METHODS,
    docs=Docs(shown=DeliveryShown, example=DELIVERY_EXAMPLE),
)
