"""What the server shows of a cluster beside what clients set, for the API's description. Source: rest-api.md 2.1."""

from __future__ import annotations

from cloudcasa_contract.states import ClusterState

from ..kit.rest import ShownModel


class FindingShown(ShownModel):
    """What the pre-flight found wanting on a cluster."""

    slug: str
    """For programs; docs/reference/troubleshooting.md explains each."""
    severity: str
    """blocks, degrades or note."""
    text: str
    remedy: str


class PreflightShown(ShownModel):
    """What the agent found when it last looked the cluster over."""

    checked_at: int
    """When, in seconds since 1970."""
    findings: list[FindingShown]
    """The worst first."""


class ClusterStatus(ShownModel):
    """Where a cluster stands."""

    state: ClusterState
    """REGISTERED until its agent first calls, PENDING while it is silent or its engine is not ready."""
    message: str
    """Why it is not ACTIVE, for people."""
    agentURL: str | None = None  # noqa: N815 -- the wire's name
    """Where the agent's manifest is. A secret: absent for callers who may not change clusters."""
    version: str | None = None
    """Of Kubernetes."""
    kubeAgentVersion: str | None = None  # noqa: N815
    kubeAgentManagerVersion: str | None = None  # noqa: N815
    veleroVersion: str | None = None  # noqa: N815
    deployment_platform: str | None = None
    updateTime: int | None = None  # noqa: N815
    """When its agent was last heard, in seconds since 1970."""
    pendingStateTimestamp: int | None = None  # noqa: N815
    """Since when it is PENDING, in seconds since 1970."""
    dormant: bool | None = None
    num_recovery_points: int
    """Those that can be restored from."""
    num_nodes: int | None = None
    findings: list[str] | None = None
    """What its agent found wanting, for people: the same as in `preflight`, as sentences."""
    preflight: PreflightShown | None = None
    """Absent until an agent that can do so has looked the cluster over."""
    scan_count: int | None = None
    awsekscluster_arn: str | None = None
    azure_aks_cluster_id: str | None = None
    cloudaccount: str | None = None


class ClusterMetrics(ShownModel):
    """Counts over the last days."""

    total_num_backup_jobs: int
    total_num_successful_backup_jobs: int
    backup_job_success_percentage: int
    total_num_pvcs: int
    total_num_offload_pvcs: int
    eligible_pvc_offload_coverage_percentage: int
    total_num_snapshot_pvcs: int
    eligible_pvc_snapshot_coverage_percentage: int
    total_num_safelock_recovery_points: int | None = None
    safelock_coverage_percentage: int | None = None


class ClusterShown(ShownModel):
    """The server's part of a cluster."""

    status: ClusterStatus
    metrics: ClusterMetrics | None = None
    """Of one cluster, when the parameter `metrics` asks for them."""


EXAMPLE = {"name": "prod-eu", "description": "The shop, Frankfurt", "tags": {"team": "shop"}}
PARAMETERS = {"metrics": 'Add `metrics` of the last days, as JSON: `{"days": 7}`.'}
