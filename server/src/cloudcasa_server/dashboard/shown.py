"""What the dashboard looks like, for the API's description. Source: rest-api.md 2.16."""

from __future__ import annotations

from ..kit.rest import ShownModel


class ClusterNumbers(ShownModel):
    """Clusters now."""

    num_clusters: int
    num_active_clusters: int
    num_protected_clusters: int
    """Those with something to restore from."""


class AccountNumbers(ShownModel):
    """Cloud accounts now."""

    num_accounts: int


class DatabaseNumbers(ShownModel):
    """Cloud databases: none, in a self-hosted installation."""

    num_protected_databases: int


class JobNumbers(ShownModel):
    """Backups and restores that began in the last days, by how they ended; those that run are counted whenever they began."""

    days: int
    num_running: int
    num_successful: int
    num_partial: int
    num_skipped: int
    num_failed: int


class Dashboard(ShownModel):
    """The numbers of the first page."""

    kubernetes: ClusterNumbers
    cloudaccounts: AccountNumbers
    awsrds: DatabaseNumbers
    jobs: JobNumbers
