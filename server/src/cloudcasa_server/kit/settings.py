"""What an operator can set, by environment variables CLOUDCASA_<NAME>. docs/reference/settings.md is generated from here."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .provider_settings import ProviderSettings


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
    access_log: bool = True
    """Log each request: method, route, status, seconds, who. Default true; paths, queries and bodies are never logged."""
    metrics_access: Literal["key", "open", "off"] = "key"
    """Who may read /metrics. Default key: an API key with the permission `metrics.read`; open: anybody; off: nobody, there is no such path."""
    otlp_endpoint: str = ""
    """http(s) URL of an OpenTelemetry collector (OTLP/HTTP) to send traces to; needs `cloudcasa-server[otel]`. Default: none, and nothing is
    sent anywhere. OTEL_EXPORTER_OTLP_HEADERS and OTEL_TRACES_SAMPLER are obeyed."""
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
    api_key_quota: int = Field(10, ge=1, le=10_000)
    """How many API keys there may be. Default 10, as the product has it."""
    audit_retention_days: int = Field(365, ge=1, le=36_500)
    """How long entries of the audit log are kept, in days. Default 365."""
    schedule_settle_seconds: float = Field(60.0, ge=0)
    """For how long a backup definition that was changed is not started by its schedule, in seconds. Default 60: clients change one in several
    calls. Nothing is lost: what was due meanwhile runs then."""
    schedule_jitter_seconds: int = Field(0, ge=0, le=86_400)
    """By how many seconds at most runs by schedule start later, each definition always by the same. Default 0; a policy's `jitter_seconds` goes
    before it."""
    missed_run_seconds: float = Field(43_200.0, gt=0)
    """How late a run by schedule may start, because no server was there or its cluster is not ACTIVE, in seconds. Default 43200: 12 hours. What
    is later is reported instead, as a SKIPPED job and an alert."""
    max_runs_per_cluster: int = Field(4, ge=0)
    """Runs of backups at once on one cluster; further ones wait their turn. Default 4; 0 means any number. A cluster's
    `configuration.max_concurrent_runs` goes before it."""
    max_runs_per_store: int = Field(16, ge=0)
    """Runs of backups at once to one object store; further ones wait their turn. Default 16; 0 means any number. A store's
    `max_concurrent_runs` goes before it."""
    smtp_host: str = ""
    """Host of the mail server that alerts are sent by. Default none: no mail is sent."""
    smtp_port: int = Field(587, ge=1, le=65535)
    """Its port. Default 587."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection to it is protected. Default starttls; none only within a trusted network."""
    smtp_user: str = ""
    """Name to sign in to it with. Default none: it takes mail without."""
    smtp_password_file: Path | None = None
    """File of the password for `smtp_user`, read for each mail, so that it can be exchanged without a restart."""
    smtp_ca_file: Path | None = None
    """PEM file of the CA that signed its certificate. Default: the system's."""
    mail_from: str = ""
    """Address that mail comes from, such as backup@example.org. Needed with `smtp_host`."""
    store_check_seconds: float = Field(3600.0, ge=0)
    """How often object stores are tried out again, in seconds: public ones by this server, private ones by the agent of their cluster. Default 3600:
    an hour. 0: only when they change."""
    job_retention_days: int = Field(90, ge=1, le=36_500)
    """How long jobs are kept with their logs, in days. Default 90. Jobs of recovery points that are there and the latest of each definition are kept
    as long as those are."""
    alert_retention_days: int = Field(90, ge=1, le=36_500)
    """How long alerts are kept, in days. Default 90."""
    keep_last_good: bool = True
    """Keep the newest recovery point in which everything is, of each backup definition, however long ago it expired. Default true. A definition's
    `keep_last_good` goes before it."""
    shutdown_seconds: float = Field(20.0, gt=0)
    """How long requests may take to end at shutdown, in seconds. Default 20: below Kubernetes' 30."""
    trusted_proxies: list[str] = Field(default_factory=list)
    """Networks of proxies in front of this server, as JSON list such as ["10.0.0.0/8"], whose X-Forwarded-For says who calls. Default none:
    whoever connects is the caller."""
    local_login: bool = True
    """Let people sign in with a password kept here. Default true; false leaves the OpenID providers only."""
    default_role: str = "VIEWER"
    """Name of the role of people who are let in without another one. Default VIEWER: read everything, change nothing."""
    session_idle_seconds: int = Field(28_800, ge=60)
    """After how many seconds without a request a session ends. Default 28800: 8 hours."""
    session_lifetime_seconds: int = Field(86_400, ge=60)
    """Longest a session lasts, in seconds, however busy. Default 86400: a day."""
    link_seconds: int = Field(86_400, ge=60)
    """How long a link that sets a password can be used, in seconds. Default 86400: a day. Invitations have their own days."""
    password_memory_kib: int = Field(19_456, ge=8)
    """Memory of one password hash (Argon2id), in KiB. Default 19456, as OWASP advises; at most two run at once."""
    password_passes: int = Field(2, ge=1)
    """Passes of one password hash. Default 2."""
    password_lanes: int = Field(1, ge=1)
    """Lanes of one password hash. Default 1. Hashes made with other parameters are made anew when their owner signs in."""
    oidc_providers: list[ProviderSettings] = Field(default_factory=list)
    """OpenID providers that people may sign in with, as JSON list of objects. Default none. docs/admin/oidc.md says what they hold."""
    auth_allowed_users: list[str] = Field(default_factory=list)
    """E-mail addresses that may sign in with an OpenID provider without an invitation, as JSON list; "corp:ann@example.org" is of
    one provider. Default none."""
    auth_allowed_user_groups: list[str] = Field(default_factory=list)
    """Groups whose members may, as JSON list: "backup", or "corp:backup" for that of one provider. Default none."""
    auth_siteadmin_users: list[str] = Field(default_factory=list)
    """E-mail addresses that may sign in with an OpenID provider and have the role ADMIN, as JSON list. Default none."""
    auth_siteadmin_user_groups: list[str] = Field(default_factory=list)
    """Groups whose members may and have, as JSON list. Default none."""
    auth_group_roles: dict[str, list[str]] = Field(default_factory=dict)
    """Further roles by group, as JSON object such as {"backup": ["USER"]}. Given and taken at each sign-in; the group must be let in as well."""

    @model_validator(mode="after")
    def _check_people(self) -> Settings:
        for network in self.trusted_proxies:
            ip_network(network)
        ids = [provider.id for provider in self.oidc_providers]
        if len(set(ids)) < len(ids):
            raise ValueError("Each OpenID provider in CLOUDCASA_OIDC_PROVIDERS needs an id of its own.")
        if not self.local_login and not ids:
            raise ValueError("With CLOUDCASA_LOCAL_LOGIN=false nobody could sign in: set CLOUDCASA_OIDC_PROVIDERS.")
        return self

    @model_validator(mode="after")
    def _check(self) -> Settings:
        parts = urlsplit(self.public_url)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f'CLOUDCASA_PUBLIC_URL is "{self.public_url}"; it must look like https://backup.example.org')
        if self.otlp_endpoint and urlsplit(self.otlp_endpoint).scheme not in {"https", "http"}:
            raise ValueError(f'CLOUDCASA_OTLP_ENDPOINT is "{self.otlp_endpoint}"; it must look like http://collector:4318')
        if self.smtp_host and not self.mail_from:
            raise ValueError("CLOUDCASA_SMTP_HOST needs CLOUDCASA_MAIL_FROM: the address that mail comes from.")
        if self.smtp_user and not self.smtp_password_file:
            raise ValueError("CLOUDCASA_SMTP_USER needs CLOUDCASA_SMTP_PASSWORD_FILE.")
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
