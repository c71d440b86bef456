"""What a client may say about an API key (rest-api.md 1.2). The key itself is never stored, only its hash."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from ..kit.rest import Name, ResourceModel, Tags


class Role(StrEnum):
    """What a key may do."""

    ADMIN = "admin"
    """Everything. The default, because the product's own keys are so."""
    VIEWER = "viewer"
    """Read everything that is shown, change nothing."""


class ApiKeyFields(ResourceModel):
    """Client-settable fields."""

    name: Name
    description: str = Field("", max_length=1_000)
    roles: list[Role] = Field(default_factory=lambda: [Role.ADMIN], min_length=1)
    tags: Tags
