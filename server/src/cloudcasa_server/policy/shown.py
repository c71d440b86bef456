"""What the server shows of a policy beside what clients set, for the API's description. Source: rest-api.md 2.3."""

from __future__ import annotations

from ..kit.rest import ShownModel


class PolicyStatus(ShownModel):
    """Whether a policy acts."""

    suspended: bool


class PolicyShown(ShownModel):
    """The server's part of a policy."""

    status: PolicyStatus


EXAMPLE = {
    "name": "nightly",
    "timezone": "Europe/Vienna",
    "schedules": [{"retainDays": 12, "locked": False, "schedule": {"cronSpec": "30 0 * * MON,FRI"}}],
}
PREVIEW_EXAMPLE = {"timezone": "Europe/Vienna", "schedules": [{"schedule": {"cronSpec": "30 2 * * *"}}], "runs": 5}
