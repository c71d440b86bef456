"""An object store as a cluster sees it."""

from __future__ import annotations

from typing import Literal

from ..base import WireModel, WireSecret


class StorageTarget(WireModel):
    """An object store as one cluster sees it: enough to make the BackupStorageLocation and its credential."""

    objectstore_id: str
    name: str
    provider: Literal["aws"] = "aws"
    bucket: str
    prefix: str
    """`<store prefix>/<cluster id>`, without slashes at the ends: the one place where the cluster's Velero may write."""
    region: str = "us-east-1"
    endpoint: str
    """Full URL, scheme included, no path: http(s)://host[:port]."""
    access_key: WireSecret
    secret_key: WireSecret
    ca_pem: str | None = None
    skip_tls_verification: bool = False
    read_only: bool = False
    """The prefix belongs to another cluster: restore from it, never write backups."""
