"""What the server shows of an object store beside what clients set, for the API's description. Source: rest-api.md 2.4."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..kit.rest import ShownModel


class ReachShown(ShownModel):
    """How the store's latest change is doing on one cluster."""

    cluster: str
    state: Literal["REACHED", "WAITING", "FAILED"]
    message: str


class RolloutShown(ShownModel):
    """How far the latest change of place or keys has come, on the clusters that the caller may see."""

    clusters: int
    """Which hold a location of the store."""
    reached: int
    message: str
    details: list[ReachShown]


class ObjectStoreStatus(ShownModel):
    """The state of an object store on its clusters; not in lists."""

    rollout: RolloutShown


class ObjectStoreShown(ShownModel):
    """The server's part of an object store."""

    validate_state: Literal["VALIDATING", "READY", "FAILED"]
    """READY once it was reached with its credentials; tried again from time to time, FAILED when that fails twice."""
    validate_message: str
    account_id: str | None = None
    status: ObjectStoreStatus | None = None


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
        "credentials": {"access_key": "AKIAEXAMPLE", "secret_key": "never-shown-again"},
    },
}
