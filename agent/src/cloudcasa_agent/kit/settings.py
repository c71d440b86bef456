"""Settings of the agent, all from the environment (the manifest sets them): CLOUDCASA_AGENT_<FIELD>.

`AMDS_CLUSTER_ID` and `DEPLOYMENT_PLATFORM` are the names that the product's manifests have always used; they are accepted too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cloudcasa_contract.base import ClusterId
from cloudcasa_contract.commands import AGENT_NAMESPACE
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from .errors import AgentError


def _alias(field: str, *more: str) -> AliasChoices:
    return AliasChoices(f"CLOUDCASA_AGENT_{field}", *more)


class Settings(BaseSettings):
    """How this agent reaches its server and its cluster."""

    model_config = SettingsConfigDict(env_prefix="CLOUDCASA_AGENT_", extra="ignore", populate_by_name=True)

    server_url: str = ""
    """Base URL of the server, such as https://cloudcasa.example.com. Required by `run`."""
    cluster_id: Annotated[ClusterId, Field(validation_alias=_alias("CLUSTER_ID", "AMDS_CLUSTER_ID"))] = ClusterId("")
    """The cluster's id, from the manifest. Required by `run`."""
    credential: SecretStr | None = None
    """The bootstrap credential from the manifest; a rotated one in the Secret goes before it."""
    credential_file: Path | None = None
    """A file with the bootstrap credential; read when `credential` is not set."""
    ca_file: Path | None = None
    """PEM file of the authority that signed the server's certificate. Unset: those of the system."""
    skip_tls_verification: bool = False
    """Do not check the server's certificate: for a try-out only."""
    namespace: str = AGENT_NAMESPACE
    """The agent's own namespace, where its Velero lives."""
    platform: Annotated[str, Field(validation_alias=_alias("PLATFORM", "DEPLOYMENT_PLATFORM"))] = "other"
    """What the cluster runs on, as the operator said when registering it."""
    kubeconfig: Annotated[Path | None, Field(validation_alias=_alias("KUBECONFIG", "KUBECONFIG"))] = None
    """A kubeconfig, for an agent outside of the cluster. Unset: the pod's service account."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    alive_file: Path = Path("/tmp/cloudcasa-agent.alive")  # noqa: S108 - an emptyDir of our own pod; the root file system is read-only
    """Touched by the event loop while it turns; `cloudcasa-agent healthy` looks at its age."""
    inventory_seconds: float = 300.0
    """How often the inventory is taken when nothing is seen to change."""
    slow_retry_seconds: float = 300.0
    """Wait between attempts after the server said that trying again is useless: a pod that crash-loops is not calm."""

    def bootstrap_credential(self) -> SecretStr | None:
        """Return the credential of the manifest, or None when there is none."""
        if self.credential is not None and self.credential.get_secret_value():
            return self.credential
        if self.credential_file is not None and self.credential_file.is_file():
            return SecretStr(self.credential_file.read_text(encoding="utf-8").strip())
        return None

    def require_link(self) -> None:
        """Raise AgentError when what `run` needs is missing."""
        missing = [name for name, value in (("SERVER_URL", self.server_url), ("CLUSTER_ID", self.cluster_id)) if not value]
        if missing:
            names = ", ".join(f"CLOUDCASA_AGENT_{name}" for name in missing)
            text = f"Cannot start the agent: {names} is not set."
            raise AgentError(text, slug="settings-missing", remedy="Apply the manifest of the cluster again: it sets them.")
