"""What the server shows of access beside what clients set, for the API's description. Source: rest-api.md 2.15."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..kit.rest import Outcome, ShownModel


class ApiKeyShown(ShownModel):
    """The server's part of an API key."""

    snippet: str
    """The end of the key, to tell it from others."""
    last_used_at: int | None = None
    """When it was used last, to the minute."""
    apikey: str | None = None
    """The key itself: only in the answer to the POST that made it."""
    api_key: str | None = None
    """The same again, under an older name."""


class RoleShown(ShownModel):
    """The server's part of a role."""

    type: Literal["BUILTIN", "CUSTOM"]


class PermissionShown(ShownModel):
    """What can be allowed: the permission is `<resource>.<operation>`."""

    resource: str
    operation: str


class PermissionList(ShownModel):
    """Every permission."""

    items: list[PermissionShown] = Field(alias="_items")
    meta: dict[str, int] = Field(alias="_meta")
    links: dict[str, Any] = Field(alias="_links")


class CallerShown(ShownModel):
    """Who did it."""

    kind: str
    """apikey, user, anonymous or system."""
    id: str


class AuditEntryShown(ShownModel):
    """Something that was done, or refused."""

    time: int
    user: str
    """E-mail address of a person, name of a key with `@apikey`, or `system`."""
    principal: CallerShown
    address: str
    """Where the request came from; empty when the server itself did it."""
    request_id: str
    operation: str
    resource: str
    resource_id: str
    name: str
    outcome: Outcome
    message: str
    before: dict[str, Any] | None
    """The document before, secrets masked; very large fields are left out."""
    after: dict[str, Any] | None


class OrgShown(ShownModel):
    """The server's part of the organisation: what is stored for it, in bytes."""

    total_copy_quota: int
    total_copy_data: int
    timed_total_copy_data: int
    total_snapshot_data: int
    protected_storage_size: int
    backup_storage_size: int


class UserShown(ShownModel):
    """The server's part of a user."""

    provider: str
    """`local`, or the OpenID provider that the person signs in with."""
    password_link: str | None = None
    """Where that person sets a password: only in the answer to the POST that made the user."""


class ShortRole(ShownModel):
    """A role in short."""

    id: str = Field(alias="_id")
    name: str
    type: str


class InvitedRow(ShownModel):
    """What an invitation allows."""

    resource: str
    resource_ids: list[str] | None = Field(None, alias="resourceIds")
    permissions: list[str] | None = None
    roles: list[ShortRole] | None = None


class InvitationShown(ShownModel):
    """The server's part of an invitation."""

    state: Literal["PENDING", "ACCEPTED", "DECLINED", "EXPIRED"]
    inviter: str
    """E-mail address of who invites."""
    expires_at: int
    """When the link ends, in seconds since 1970."""
    acls: list[InvitedRow] | None = None
    invitation_link: str | None = None
    """Where the person accepts: only in the answer to the POST that made it."""


ORG_EXAMPLE = {"name": "organisation", "display_name": "Shop Ltd"}
USER_EXAMPLE = {"name": "Ann Lee", "email": "ann@example.org", "first_name": "Ann", "last_name": "Lee"}
INVITATION_EXAMPLE = {"email": "ben@example.org", "first_name": "Ben", "last_name": "Ray"}
EXAMPLE = {"name": "terraform", "description": "The pipeline of the shop", "org_role": "USER"}
ROLE_EXAMPLE = {"name": "operator", "description": "Runs backups", "permissions": ["kubebackups.read", "kubeclusters.backup", "jobs.read"]}
GROUP_EXAMPLE = {
    "name": "shop team",
    "acls": [{"resource": "allresources", "permissions": ["kubeclusters.read", "kubebackups.read", "policies.read"], "roles": []}],
}
ROWS_EXAMPLE = {"acls": [{"resource": "allresources", "permissions": ["policies.read"], "roles": []}]}
AUDIT_EXAMPLE = {
    "time": 1764034271,
    "user": "ann@example.org",
    "principal": {"kind": "user", "id": "65aa000000000000000000a1"},
    "address": "192.0.2.7",
    "request_id": "9f2c4b1e7a3d5c60",
    "operation": "delete",
    "resource": "policies",
    "resource_id": "65aa000000000000000000c3",
    "name": "daily",
    "outcome": "OK",
    "message": "",
    "before": {"name": "daily", "timezone": "UTC"},
    "after": None,
}
