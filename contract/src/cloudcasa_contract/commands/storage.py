"""An object store as a cluster sees it, and what is asked of an agent about one without a backup."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from ..base import WireModel, WireSecret


class AzureAccess(WireModel):
    """How to log in at a storage account: with its key where one is given, else as an application of Microsoft Entra ID."""

    account: str
    resource_group: str = ""
    cloud: Literal["Public", "Government"] = "Public"
    account_key: WireSecret = SecretStr("")
    subscription_id: str = ""
    tenant_id: str = ""
    client_id: str = ""
    client_secret: WireSecret = SecretStr("")
    authority: str = ""
    """Where the application logs in; empty: where its cloud has it."""


class StorageTarget(WireModel):
    """An object store as one cluster sees it: enough to make the BackupStorageLocation and its credential."""

    objectstore_id: str
    name: str
    revision: int = 0
    """Counts the changes of the store's place and keys: what was told with a higher one is not undone by a command that comes late."""
    provider: Literal["aws", "azure"] = "aws"
    bucket: str
    """Of Azure: the container."""
    prefix: str
    """`<store prefix>/<cluster id>`, without slashes at the ends: the one place where the cluster's Velero may write."""
    region: str = "us-east-1"
    endpoint: str
    """Full URL, scheme included, no path: http(s)://host[:port]. Of Azure: the blob service, which may end in the account's name."""
    access_key: WireSecret = SecretStr("")
    secret_key: WireSecret = SecretStr("")
    ca_pem: str | None = None
    skip_tls_verification: bool = False
    path_style: bool = True
    """The bucket is the first part of the path, not of the host's name."""
    checksum_algorithm: str | None = None
    """Of uploads by Velero's plugin; empty: none. None: as the endpoint wants it."""
    server_side_encryption: str = ""
    kms_key_id: str = ""
    azure: AzureAccess | None = None
    """There for provider `azure`, and then instead of the keys."""
    read_only: bool = False
    """The prefix belongs to another cluster: restore from it, never write backups."""


class StorageEnsure(WireModel):
    """Bring the location of a store up to date, as a run would, and say whether Velero reaches it."""

    kind: Literal["storage.ensure"] = "storage.ensure"
    storage: StorageTarget


class StorageEnsured(WireModel):
    """The location is as told, and answers."""

    kind: Literal["storage.ensure"] = "storage.ensure"
    revision: int
    """What it is now, which may be newer than what was told."""
    repaired: tuple[str, ...] = ()
    """What somebody had changed by hand."""


class StorageProbe(WireModel):
    """Try a store out from inside the cluster: write, read, list and delete one object beside the clusters' prefixes."""

    kind: Literal["storage.probe"] = "storage.probe"
    storage: StorageTarget
    """With the store's own prefix, which no Velero owns."""


class StorageProbed(WireModel):
    """The store can be used."""

    kind: Literal["storage.probe"] = "storage.probe"


class StorageRemove(WireModel):
    """Forget a store: its locations, their credentials, and what Velero keeps about backups in it. Nothing in the bucket changes."""

    kind: Literal["storage.remove"] = "storage.remove"
    objectstore_id: str = Field(pattern=r"^[0-9a-z]+$")


class StorageRemoved(WireModel):
    """The cluster knows nothing of the store any more."""

    kind: Literal["storage.remove"] = "storage.remove"
    locations: int = 0
