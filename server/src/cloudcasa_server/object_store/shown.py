"""What the server shows of an object store beside what clients set, for the API's description. Source: rest-api.md 2.4."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..kit.rest import ShownModel


class ObjectStoreShown(ShownModel):
    """The server's part of an object store."""

    validate_state: Literal["VALIDATING", "READY", "FAILED"]
    """READY once it was reached with its credentials."""
    validate_message: str
    account_id: str | None = None
    status: dict[str, object] | None = None


class VendorRegion(ShownModel):
    """Storage that the vendor rents out."""

    provider: str
    regions: list[str]


class VendorStorage(ShownModel):
    """The answer of `objectstores/provider-info`."""

    items: list[VendorRegion] = Field(alias="_items")
    """Empty in a self-hosted installation."""


EXAMPLE = {
    "name": "minio-lab",
    "provider_type": "aws",
    "bucket_name": "lab-backups",
    "region": "us-east-1",
    "private": False,
    "s3provider": {
        "endpoint": "https://minio.lab.example:9000",
        "credentials": {"access_key": "AKIAEXAMPLE", "secret_key": "never shown again"},
    },
}
