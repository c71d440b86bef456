"""What alerts look like, for the API's description. Source: rest-api.md 2.13."""

from __future__ import annotations

from ..kit.rest import ShownModel
from .model import AlertType


class AlertShown(ShownModel):
    """What went wrong."""

    name: str
    type: AlertType
    description: str
    """Why, and where known what to do."""
    job: str | None = None
    """The job that it is about."""
    cluster: str | None = None


class SystemAlertShown(ShownModel):
    """A notice about the installation."""

    type: str
    description: str


EXAMPLE = {
    "name": 'Backup "web" on "prod-eu": SKIPPED',
    "type": "BACKUP_SKIPPED",
    "description": 'The cluster "prod-eu" is PENDING, not ACTIVE.',
    "job": "65aa000000000000000000f1",
    "cluster": "65aa00000000000000000010",
}
SYSTEM_EXAMPLE = {"type": "SYSTEM_MAINTENANCE", "description": "The server is down for an hour from 22:00 UTC."}
