"""The cluster as clients set it, and the judgement of its state from facts. Pure. Source: rest-api.md 2.1, seed ("ACTIVE", "PENDING")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import orjson
from cloudcasa_contract.states import ClusterState
from pydantic import Field, field_validator

from ..kit.rest import Name, ResourceModel
from ..kit.store import Document
from ..policy.windows import Limits

PRO: Literal["PRO"] = "PRO"
"""An agent that brings its own Velero."""
VELERO: Literal["VELERO"] = "VELERO"
"""An agent that looks after a Velero that is there already."""


class BackupProvider(ResourceModel):
    """The default storage of a cluster."""

    type: str | None = None
    region: str | None = None
    user_objectstore: str | None = None


class Cluster(ResourceModel):
    """What a client sets on a cluster."""

    name: Name
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    image_pull_secret_name: str | None = Field(default=None, max_length=253, pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$")
    container_registry: str | None = Field(default=None, max_length=253, pattern=r"^[A-Za-z0-9.\-_:/]*$")
    backup_provider: BackupProvider | None = None
    configuration: dict[str, Any] = Field(default_factory=dict)
    """Free. Our own additions in it, which are judged: `max_concurrent_runs`, `backup_windows`."""
    agent_type: Literal["PRO", "VELERO"] = PRO
    allow_foreign_velero: bool = False
    """Let our Velero be installed beside one that is there already. Our own addition."""

    @field_validator("configuration")
    @classmethod
    def _has_good_limits(cls, value: dict[str, Any]) -> dict[str, Any]:
        Limits.model_validate_json(orjson.dumps({key: value[key] for key in Limits.model_fields if key in value}))
        return value


_NO_MIRROR = (
    "The agent is connected. This server cannot look after a Velero of yours yet (agent_type VELERO), so nothing is done on this cluster."
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A state, and for people why."""

    state: ClusterState
    message: str = ""


def judge(document: Document, /, *, now: float, silence_seconds: float) -> Standing:
    """Return the state that follows from what is known of the agent and its engine."""
    agent = document.get("agent", {})
    last_seen = agent.get("last_seen")
    if last_seen is None:
        return Standing(ClusterState.REGISTERED)
    if now - last_seen > silence_seconds:
        text = (
            f"No word from the agent for more than {silence_seconds:.0f} seconds."
            " Check its pod in the namespace cloudcasa-io and its way to the server."
        )
        return Standing(ClusterState.PENDING, text)
    if document.get("agent_type") == VELERO:
        return Standing(ClusterState.PENDING, _NO_MIRROR)
    engine = agent.get("engine", {})
    if problem := agent.get("engine_problem") or engine.get("problem"):
        return Standing(ClusterState.PENDING, problem)
    if engine.get("is_ready"):
        return Standing(ClusterState.ACTIVE)
    was = ClusterState(document["status"]["state"])
    return Standing(
        was if was != ClusterState.ACTIVE else ClusterState.PENDING, "The agent is connected and is installing the backup engine."
    )
