"""What the server shows of a migration beside what clients set, for the API's description. Source: rest-api.md 2.10."""

from __future__ import annotations

from ..job.shown import JobSummary
from ..kit.rest import ShownModel


class MigrationStatus(ShownModel):
    """The latest runs."""

    last_job_run_time: int | None = None
    jobs: list[JobSummary] | None = None


class MigrationShown(ShownModel):
    """The server's part of a migration."""

    status: MigrationStatus
    copydef: str | None = None
    copy_policy: str | None = None


EXAMPLE = {
    "name": "shop-to-berlin",
    "is_replication": False,
    "backup": {"cluster": "65aa00000000000000000010", "source": {"namespaces": ["web"]}},
    "restore": {"cluster": "65aa00000000000000000011", "storage_class_map": {"fast": "standard"}},
}
