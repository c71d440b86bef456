"""Looking a cluster over: what keeps backups from working on it, in plain words."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from ..base import WireModel
from .results import Finding


class StorageAddress(WireModel):
    """Where an object store is, without keys: whether it can be reached and what its clock says needs none."""

    name: str
    endpoint: str
    """Full URL, scheme included."""
    ca_pem: str | None = None
    skip_tls_verification: bool = False


class PreflightRun(WireModel):
    """Look the cluster over and change nothing."""

    kind: Literal["preflight.run"] = "preflight.run"
    asked_at: datetime | None = None
    """The server's clock as it sent this."""
    server_version: str = ""
    velero_image: str = ""
    """The Velero that belongs to the server."""
    allow_foreign_velero: bool = False
    stores: tuple[StorageAddress, ...] = ()
    """Those that the cluster's backups go to, as far as they are known."""


class PreflightOutput(WireModel):
    """What was found, the worst first; nothing is good news."""

    kind: Literal["preflight.run"] = "preflight.run"
    checked_at: datetime
    findings: tuple[Finding, ...] = ()
