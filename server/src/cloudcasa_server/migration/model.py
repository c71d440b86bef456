"""The migration as clients set it. Source: rest-api.md 2.10.

Decided: `backup` has the fields of a backup definition that say what and how, `restore` those of a restore that say where to; the rest is the server's.
"""

from __future__ import annotations

from pydantic import Field

from ..backup.model import Source
from ..hook.model import HookReference
from ..kit.rest import Name, ResourceModel
from ..offload.model import OffloadProvider
from ..restore.model import RestoreSelection, RestoreSettings

COLLECTION = "kubemigrations"


class MigrationBackup(ResourceModel):
    """What is moved, and where from."""

    cluster: str
    source: Source
    pre_hooks: list[HookReference] = Field(default_factory=list)
    post_hooks: list[HookReference] = Field(default_factory=list)
    offload_provider: OffloadProvider | None = None


class MigrationRestore(RestoreSettings):
    """Where it goes, and how it looks there."""

    cluster: str
    selection: RestoreSelection | None = None
    """None: all of it."""


class Migration(ResourceModel):
    """What a client sets on a migration or replication."""

    name: Name
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    is_replication: bool = False
    backup: MigrationBackup
    restore: MigrationRestore
    policy: str | None = None
    """When a replication runs. A migration runs once, when it is told to."""
    pause: bool = False
