"""Bringing up the agent's own Velero."""

from __future__ import annotations

from typing import Literal

from ..base import WireModel, WireSecret
from .results import Finding, Problem


class EngineImages(WireModel):
    """The images that the agent installs. Each is a full reference with registry, repository and tag."""

    velero: str
    plugin_aws: str
    pull_secret_name: str | None = None


class EngineEnsure(WireModel):
    """Check the cluster (pre-flight) and install or bring up to date the agent's own Velero."""

    kind: Literal["engine.ensure"] = "engine.ensure"
    images: EngineImages
    repository_password: WireSecret
    """Written to `velero-repo-credentials` before Velero's first start, since Velero would otherwise make one of its own."""
    allow_foreign_velero: bool = False
    """Install beside a Velero that is there already, if its definitions can be shared."""


class EngineOutput(WireModel):
    """The engine is installed and answers."""

    kind: Literal["engine.ensure"] = "engine.ensure"
    velero_version: str
    plugins: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    """Not fatal: no VolumeSnapshotClass for a driver, no CSI driver."""
    update_problem: Problem | None = None
    """Why the images of the command are not what runs: the update failed and was taken back."""
