"""What the server shows of cloud accounts and tasks, for the API's description. Source: rest-api.md 2.14."""

from __future__ import annotations

from typing import Any

from ..kit.rest import ShownModel


class AccountInventory(ShownModel):
    """How far the reading of the cloud is."""

    state: str
    lastCompletedTimestamp: int | None = None  # noqa: N815 -- the wire's name
    event_name: str | None = None


class AccountStatus(ShownModel):
    """Where an account stands."""

    state: str
    message: str
    pendingStateTimestamp: int | None = None  # noqa: N815
    inventory: AccountInventory
    updateAvailable: bool  # noqa: N815
    moveToActiveURL: str | None = None  # noqa: N815
    """What the deployment in the cloud calls, without a token. A secret: absent for callers who may not change accounts."""
    aws: dict[str, Any] | None = None
    azure: dict[str, Any] | None = None
    gcp: dict[str, Any] | None = None
    """What the deployment told when it called back, and when."""


class AccountShown(ShownModel):
    """The server's part of a cloud account."""

    status: AccountStatus


class TaskShown(ShownModel):
    """Work in a cloud."""

    job: str
    state: str
    provider_type: str
    type: str
    region: str | None = None
    task: dict[str, Any] | None = None
    container: str | None = None


EXAMPLE = {"name": "production", "provider_type": "gcp", "description": "The shop's project"}
