"""What the server shows of channels and deliveries, for the API's description."""

from __future__ import annotations

from typing import Literal

from ..kit.rest import ShownModel


class ChannelStatus(ShownModel):
    """How the channel works."""

    state: Literal["UNTRIED", "OK", "FAILING"]
    message: str
    """Why it fails, or who was left out."""
    place: str | None = None
    """Where it goes: recipients, or the host of an address whose rest is a secret."""
    last_delivered_at: int | None = None
    next_try_at: int | None = None
    """When a failing one is tried again, in seconds since 1970."""


class ChannelShown(ShownModel):
    """The server's part of a channel."""

    status: ChannelStatus


class Event(ShownModel):
    """What is told: the alert as it was raised."""

    id: str
    raised_at: int
    type: str
    name: str
    description: str
    job: str | None = None
    cluster: str | None = None


class DeliveryShown(ShownModel):
    """One alert on its way to one channel."""

    channel: str
    channel_name: str
    alert: str
    event: Event
    state: Literal["PENDING", "DELIVERED", "FAILED"]
    message: str
    """Why it is not delivered yet, or was given up."""
    attempts: int
    delivered_at: int | None = None


EXAMPLE = {
    "name": "on-call",
    "kind": "webhook",
    "alert_types": ["BACKUP_FAILED", "CLUSTER_NOT_RESPONDING"],
    "webhook": {"url": "https://hooks.example.org/backup", "secret": "a-secret-of-16-bytes-or-more"},
}
DELIVERY_EXAMPLE = {
    "channel": "65aa0000000000000000c001",
    "channel_name": "on-call",
    "alert": "65aa0000000000000000a001",
    "event": {
        "id": "65aa0000000000000000a001",
        "raised_at": 1_764_000_000,
        "type": "BACKUP_FAILED",
        "name": 'Backup "web" on "prod-eu": FAILED',
        "description": "The bucket is gone.",
    },
    "state": "DELIVERED",
    "message": "",
    "attempts": 1,
    "delivered_at": 1_764_000_004,
}
