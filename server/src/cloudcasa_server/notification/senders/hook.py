"""A webhook, signed as Standard Webhooks says: HMAC-SHA256 over `<id>.<timestamp>.<body>`. Source: standardwebhooks.com, specification 1.0."""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from ...kit.clock import Clock
from ...kit.store import Document
from ..model import signing_key
from .base import Batch
from .post import place_of, post


@dataclass(frozen=True, slots=True)
class HookSender:
    """Posts one alert at a time, as JSON {type, timestamp, data}."""

    clock: Clock
    public_url: str
    max_batch: int = 1

    def refusal(self) -> str:
        """Webhooks need nothing of the installation."""
        return ""

    def place(self, channel: Document, /) -> str:
        """Return the host."""
        return place_of(channel["webhook"]["url"])

    async def send(self, batch: Batch, /) -> str:
        """Post the alert."""
        (event,) = batch.events
        raised = datetime.fromtimestamp(event["raised_at"], tz=UTC).isoformat()
        kind = "test" if event["type"] == "TEST" else "alert.raised"
        body = orjson.dumps({"type": kind, "timestamp": raised, "data": {**event, "server": self.public_url}})
        settings = batch.channel["webhook"]
        signed = sign(body, key=signing_key(settings["secret"]), message_id=batch.message_id, timestamp=self.clock.timestamp())
        headers = {"content-type": "application/json", "user-agent": "cloudcasa-server", **signed}
        await post(settings["url"], body, headers=headers, ca_pem=settings.get("ca_pem"))
        return ""


def sign(body: bytes, /, *, key: bytes, message_id: str, timestamp: int) -> dict[str, str]:
    """Return the three headers by which a receiver knows who sent the body, when, and whether it has had it before."""
    signature = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{b64encode(signature).decode()}",
    }
