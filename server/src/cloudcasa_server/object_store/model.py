"""The object store as clients set it, and the endpoint forms that are accepted. Pure. Source: rest-api.md 2.4."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field

from ..kit.rest import Name, ResourceModel
from ..kit.store import Document

DEFAULT_REGION = "us-east-1"


class S3Credentials(ResourceModel):
    """An S3 key pair. Azure's own keys pass, so that the answer to Azure is one honest sentence."""

    model_config = ConfigDict(extra="allow")

    access_key: str | None = None
    secret_key: str | None = None


class S3Provider(ResourceModel):
    """How to reach an S3-compatible store."""

    model_config = ConfigDict(extra="allow")

    endpoint: str | None = None
    credentials: S3Credentials | None = None


class ObjectStore(ResourceModel):
    """What a client sets on an object store."""

    name: Name
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    provider_type: Literal["aws", "azure"] = "aws"
    bucket_name: str | None = None
    region: str | None = None
    prefix: str | None = None
    s3provider: S3Provider = Field(default_factory=S3Provider)
    skip_tls_certificate_validation: bool = False
    private: bool = False
    proxy_cluster_list: list[str] = Field(default_factory=list, max_length=1)
    locked: bool = False
    ca_pem: str | None = None
    """Our own addition: the CA of a store whose certificate no public CA signed, PEM."""


def normalise_endpoint(endpoint: str, /) -> str:
    """Return the URL for `host`, `host:port`, `http(s)://host[:port][/]`; a host without scheme means https. Raises ValueError."""
    text = endpoint.strip()
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        port = parts.port
    except ValueError as error:
        message = f'"{endpoint}" is not an endpoint: {str(error)[:1].lower()}{str(error)[1:]}.'
        raise ValueError(message) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        message = f'"{endpoint}" is not an endpoint: give a host, or http(s)://host with a port if it needs one, and no path.'
        raise ValueError(message)
    if port == 0:
        message = f'"{endpoint}" has no valid port.'
        raise ValueError(message)
    return f"{parts.scheme}://{parts.netloc}"


def join_prefix(*parts: str | None) -> str:
    """Join parts of an object key, without slashes at the ends."""
    return "/".join(text for part in parts if part and (text := part.strip("/")))


def location_info(document: Document, /) -> str:
    """Return how people call the place: the store's name and its bucket."""
    return f"{document['name']} ({document.get('bucket_name', '')})"


def same_place(document: Document, /) -> dict[str, Any]:
    """Return the fields that say which place a store is, for probing again after a change."""
    keys = ("provider_type", "bucket_name", "region", "prefix", "skip_tls_certificate_validation", "ca_pem")
    return {key: document.get(key) for key in keys} | {"s3provider": document.get("s3provider")}
