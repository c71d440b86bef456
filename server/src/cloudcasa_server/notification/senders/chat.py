"""A message to a chat that takes Slack's incoming webhooks: {"text": …}, in which only &, < and > are special."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from ...kit.store import Document
from .base import Batch, Event, at_utc, headline
from .post import place_of, post

_MAX_CHARACTERS = 600
"""Of one alert: chats cut long messages, and the API has the rest."""


@dataclass(frozen=True, slots=True)
class ChatSender:
    """Posts several alerts as one message."""

    public_url: str
    max_batch: int = 20

    def refusal(self) -> str:
        """Chats need nothing of the installation."""
        return ""

    def place(self, channel: Document, /) -> str:
        """Return the host."""
        return place_of(channel["slack"]["url"])

    async def send(self, batch: Batch, /) -> str:
        """Post the alerts."""
        settings = batch.channel["slack"]
        body = orjson.dumps({"text": _text(batch, server=self.public_url)})
        headers = {"content-type": "application/json", "user-agent": "cloudcasa-server"}
        await post(settings["url"], body, headers=headers, ca_pem=settings.get("ca_pem"))
        return ""


def _text(batch: Batch, *, server: str) -> str:
    head = f"*{headline(batch.events)}*\n" if len(batch.events) > 1 else ""
    return escaped(head) + "\n".join(_line(event) for event in batch.events) + f"\n_{escaped(server)}_"


def _line(event: Event) -> str:
    text = f"*{event['name']}*\n{event['description']}"
    shown = text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"
    return f"{escaped(shown)}\n{at_utc(event['raised_at'])}"


def escaped(text: str, /) -> str:
    """Return a text in which nothing calls everyone (`<!channel>`) or is a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
