"""What a client may say about an API key (rest-api.md 1.2, 2.15). The key itself is never stored, only its hash."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..kit.rest import Name, ResourceModel, Tags
from .acls import MAX_ROWS, AccessRow


class ApiKeyFields(ResourceModel):
    """Client-settable fields."""

    name: Name
    description: str = Field("", max_length=1_000)
    roles: list[str] | None = Field(None, max_length=100)
    """Ids or names of roles that hold everywhere. A key made without roles, acls and org_role is an ADMIN, as the product's own keys are."""
    org_role: Literal["USER", "ADMIN"] | None = None
    """ADMIN: everything. USER: what roles and acls say; with neither, what the role USER says."""
    acls: list[AccessRow] | None = Field(None, max_length=MAX_ROWS)
    expires_at: int | None = Field(None, ge=0, le=2**40)
    """When the key ends, in seconds since 1970 UTC. Default: never."""
    tags: Tags
