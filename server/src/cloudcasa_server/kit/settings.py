"""What an operator can set, by environment variables CLOUDCASA_<NAME>. docs/reference/settings.md is generated from here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The server's settings."""

    model_config = SettingsConfigDict(env_prefix="CLOUDCASA_", use_attribute_docstrings=True, extra="ignore", frozen=True)

    data_dir: Path = Path("/var/lib/cloudcasa")
    """Directory for keys, certificates and the embedded database. Default /var/lib/cloudcasa. Back it up: without its keys, stored
    credentials cannot be read."""
    database_url: SecretStr | None = None
    """mongodb:// or mongodb+srv:// URL, or sqlite:///path. Default: the embedded database, a file in `data_dir`."""
    database_wait_seconds: float = Field(120.0, ge=0)
    """How long the start waits for a database that cannot be reached, in seconds. Default 120: in a cluster, database and server come up in
    any order."""
    listen_host: str = "0.0.0.0"
    """Address to listen on. Default 0.0.0.0."""
    listen_port: int = Field(8443, ge=0, le=65535)
    """TCP port of API, UI and agents. Default 8443: above 1024, so that no privilege is needed."""
    public_url: str = "https://localhost:8443"
    """https URL under which browsers, clients and agents reach this server; agents' manifests name it. Default https://localhost:8443."""
    tls: bool = True
    """Serve TLS. Default true; false only behind a proxy that does, on the same host."""
    tls_certificate_file: Path | None = None
    """PEM file of the server's certificate and its chain. Default: one made by the server's own CA in `data_dir`/tls."""
    tls_private_key_file: Path | None = None
    """PEM file of the certificate's private key. Set both or neither."""
    tls_ca_file: Path | None = None
    """PEM file of the private CA that signed `tls_certificate_file`, for agents to trust. Default: none, a CA that the agents' image
    trusts signed it. Not to be set without an own certificate: the server's own CA is known."""
    tls_names: list[str] = Field(default_factory=list)
    """Further host names and IP addresses for the server's own certificate, as JSON list. Default: those of `public_url`, localhost."""
    master_key_file: Path | None = None
    """File of the keys that encrypt stored credentials. Default `data_dir`/keys/master.key, made at first start."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged. Default info: state changes."""
    log_format: Literal["json", "console"] = "json"
    """Form of the log. Default json, one object a line."""
    agent_image: str = "localhost/cloudcasa-agent:0.1.0"
    """Image of the agent in manifests: registry, repository and tag. A cluster's `container_registry` replaces the registry."""
    agent_image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """Pull policy of the agent's image. Default IfNotPresent: an air-gapped node may have it preloaded."""
    velero_image: str = "docker.io/velero/velero:v1.18.3"
    """Image of Velero that agents install. Default: upstream's 1.18.3, the version this server is made for. Your clusters pull it, this
    server does not; name your own registry's copy where they shall not reach that one."""
    plugin_aws_image: str = "docker.io/velero/velero-plugin-for-aws:v1.14.3"
    """Image of Velero's plugin for S3-compatible stores. Default: upstream's 1.14.3, which belongs to Velero 1.18."""
    probe_seconds: float = Field(7.0, gt=0, lt=9)
    """Longest a storage probe within a request may take, in seconds. Default 7: Terraform's client gives up after 10."""
    heartbeat_seconds: float = Field(15.0, gt=0)
    """How often an agent says that it lives, in seconds. Default 15."""
    silence_seconds: float = Field(45.0, gt=0)
    """After how many seconds of silence a cluster is PENDING. Default 45: three heartbeats."""
    lease_seconds: float = Field(30.0, gt=0)
    """How long a replica holds a job or loop without renewing, in seconds. Default 30: how long a job stands still when a replica dies."""
    command_retry_seconds: float = Field(30.0, gt=0)
    """After how many seconds a command that its agent does not mention (heartbeat, progress) is delivered again. Default 30: two heartbeats."""
    job_timeout_seconds: float = Field(86_400.0, gt=0)
    """Longest a job may run before it is failed, in seconds. Default 86400: a day."""
    shutdown_seconds: float = Field(20.0, gt=0)
    """How long requests may take to end at shutdown, in seconds. Default 20: below Kubernetes' 30."""

    @model_validator(mode="after")
    def _check(self) -> Settings:
        parts = urlsplit(self.public_url)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f'CLOUDCASA_PUBLIC_URL is "{self.public_url}"; it must look like https://backup.example.org')
        if (self.tls_certificate_file is None) != (self.tls_private_key_file is None):
            raise ValueError("Set both CLOUDCASA_TLS_CERTIFICATE_FILE and CLOUDCASA_TLS_PRIVATE_KEY_FILE, or neither.")
        if self.tls_ca_file and not self.tls_certificate_file:
            raise ValueError("CLOUDCASA_TLS_CA_FILE goes with CLOUDCASA_TLS_CERTIFICATE_FILE. Set that too, or leave both out.")
        return self

    @property
    def key_file(self) -> Path:
        """Return the file of the keys that encrypt stored credentials."""
        return self.master_key_file or self.data_dir / "keys" / "master.key"

    @property
    def certificate_names(self) -> list[str]:
        """Return the names the server's own certificate is for."""
        host = urlsplit(self.public_url).hostname or "localhost"
        return list(dict.fromkeys([host, *self.tls_names, "localhost", "127.0.0.1", "::1"]))
