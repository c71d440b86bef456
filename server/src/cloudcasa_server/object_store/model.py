"""The object store as clients set it, and the endpoint forms that are accepted. Pure. Source: rest-api.md 2.4."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from ..kit.rest import Name, ResourceModel
from ..kit.store import Document
from ..policy.windows import Limits
from .trusted import check_ca

DEFAULT_REGION = "us-east-1"
Word = Annotated[str, Field(max_length=4096, pattern=r"^[\x21-\x7e]*$")]
"""What ends up as one word of a credentials file: no blanks, no line breaks."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


class S3Credentials(ResourceModel):
    """A key pair."""

    access_key: Word | None = None
    secret_key: Word | None = None


class S3Provider(ResourceModel):
    """How to reach an S3-compatible store."""

    endpoint: str | None = None
    credentials: S3Credentials | None = None


class AzureCredentials(ResourceModel):
    """A service principal, or our own addition: a key of the storage account."""

    subscription_id: Word | None = None
    tenant_id: Annotated[str, Field(max_length=256, pattern=r"^[A-Za-z0-9.-]*$")] | None = None
    client_id: Word | None = None
    client_secret: Word | None = None
    account_key: Word | None = None


class AzureProvider(ResourceModel):
    """How to reach a storage account."""

    cloud: Literal["Public", "Government"] = "Public"
    resource_group_name: Annotated[str, Field(min_length=1, max_length=90, pattern=r"^[\w().-]*[\w()-]$")]
    storage_account_name: Annotated[str, Field(pattern=r"^[a-z0-9]{3,24}$")]
    endpoint: str | None = None
    """Our own addition: the blob service where it is not at the cloud's usual address, such as Azure Stack's."""
    credentials: AzureCredentials | None = None


_PROVIDERS: Mapping[str, type[ResourceModel]] = {"aws": S3Provider, "azure": AzureProvider}


class S3Options(ResourceModel):
    """How an S3-compatible store differs from others."""

    path_style: bool = True
    """The bucket in the path, which every store takes that answers at a host of its own; false: in the host's name."""
    checksum_algorithm: Literal["", "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] | None = None
    """Of uploads by Velero; empty: none, which Ceph, Backblaze B2 and appliances need. None: CRC32 at Amazon, none elsewhere."""
    server_side_encryption: Literal["", "AES256", "aws:kms", "aws:kms:dsse"] = ""
    kms_key_id: Annotated[str, Field(max_length=2048, pattern=r"^[\x21-\x7e]*$")] = ""

    @model_validator(mode="after")
    def _has_a_use_for_its_key(self) -> Self:
        if self.kms_key_id and not self.server_side_encryption.startswith("aws:kms"):
            raise ValueError('kms_key_id goes with server_side_encryption "aws:kms". Set that too, or leave it out.')
        return self


class ObjectStore(Limits):
    """What a client sets on an object store."""

    name: Name
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    provider_type: Literal["aws", "azure"] = "aws"
    bucket_name: Annotated[str, Field(max_length=255, pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$")] | None = None
    region: Annotated[str, Field(max_length=64)] | None = None
    prefix: Annotated[str, Field(max_length=512)] | None = None
    s3provider: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    """Of `aws`: `endpoint` and `credentials` {`access_key`, `secret_key`}. Of `azure`: `cloud` (Public, Government), `resource_group_name`,
    `storage_account_name`, `credentials` {`subscription_id`, `tenant_id`, `client_id`, `client_secret`} or {`account_key`}, and `endpoint` where
    the blob service is elsewhere. Credentials are never shown, and kept when they are left out."""
    skip_tls_certificate_validation: bool = False
    private: bool = False
    proxy_cluster_list: list[str] = Field(default_factory=list, max_length=1, validate_default=True)
    locked: bool = False
    ca_pem: str | None = None
    """Our own addition: the CA, or several, of a store whose certificate no public CA signed, PEM."""
    s3_options: S3Options | None = None
    """Our own addition, of `aws` only."""

    @field_validator("ca_pem")
    @classmethod
    def _is_a_ca(cls, value: str | None) -> str | None:
        if value:
            check_ca(value)
        return value

    @field_validator("prefix")
    @classmethod
    def _is_a_path(cls, value: str | None) -> str | None:
        """Refuse what stores and Velero would read in different ways."""
        parts = (value or "").strip("/").split("/")
        if value and (_CONTROL.search(value) or (parts != [""] and any(part in {"", ".", ".."} for part in parts))):
            raise ValueError('The prefix must be a path such as "team/backups": no empty parts, no "." or "..", no control characters.')
        return value

    @field_validator("s3provider")
    @classmethod
    def _is_of_its_kind(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Judge by the kind, whose keys differ; what it says keeps its path."""
        if kind := info.data.get("provider_type"):
            _PROVIDERS[kind].model_validate(value)
        return value

    @field_validator("s3_options")
    @classmethod
    def _is_for_s3(cls, value: S3Options | None, info: ValidationInfo) -> S3Options | None:
        if value and info.data.get("provider_type") == "azure":
            raise ValueError("s3_options are for stores that speak S3. Leave them out for Azure.")
        return value

    @field_validator("proxy_cluster_list")
    @classmethod
    def _is_there_when_private(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("private") and not value:
            raise ValueError("A private object store needs a cluster that reaches it: name one in proxy_cluster_list.")
        return value


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


def not_yet(document: Document, /) -> str:
    """Return why no backup can go to a store with this version's agents; empty when one can."""
    if document.get("provider_type") != "azure":
        return ""
    return "The agents of this version do not write to Azure yet: no backup can go to this store. Use an S3-compatible one for now."


_PLACE = (
    "provider_type",
    "bucket_name",
    "region",
    "prefix",
    "private",
    "skip_tls_certificate_validation",
    "ca_pem",
    "s3_options",
    "s3provider",
)


def same_place(document: Document, /) -> dict[str, Any]:
    """Return the fields that say which place a store is and how it is reached: after a change, it is proven and told to clusters again."""
    return {key: document.get(key) for key in _PLACE}


def s3_options(document: Document, /) -> S3Options:
    """Return the options of a stored store."""
    return S3Options.model_validate(document.get("s3_options") or {})
