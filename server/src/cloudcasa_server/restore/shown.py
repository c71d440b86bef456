"""What the server shows of a restore beside what clients set, for the API's description. Source: rest-api.md 2.9."""

from __future__ import annotations

from ..job.shown import RunStatus
from ..kit.rest import ShownModel


class RestoreShown(ShownModel):
    """The server's part of a restore."""

    status: RunStatus
    source_cluster: str
    """The cluster of its recovery point."""
    migrationdef: str | None = None
    """The migration that owns it; absent on ordinary restores."""


EXAMPLE = {
    "name": "web-again",
    "backup_inst": "65aa000000000000000000b1",
    "selection": {"namespaces": ["web"], "restorePersistentVolumes": True},
    "namespaces_suffix": "-restored",
}
