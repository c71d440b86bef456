"""What the server shows of a copy definition beside what clients set, for the API's description. Source: rest-api.md 2.7."""

from __future__ import annotations

from ..job.shown import RunStatus
from ..kit.rest import ShownModel


class OffloadShown(ShownModel):
    """The server's part of a copy definition."""

    status: RunStatus


EXAMPLE = {
    "name": "web",
    "backupdef": "65aa00000000000000000031",
    "trigger_type": "ADHOC",
    "run_backup": True,
    "offload_provider": {"user_objectstore": "65aa00000000000000000001"},
}
