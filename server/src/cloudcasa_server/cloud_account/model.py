"""The cloud account as clients set it, and the secret in its callback's address. Pure but for the random source. Source: rest-api.md 2.14.

The deployment in the customer's cloud calls back without a token of ours, so the address itself is the secret: `<id>.<43 random characters>`, where
the original had the id alone.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ..kit.ids import new_token
from ..kit.rest import Name, ResourceModel
from ..kit.store import Document

COLLECTION = "cloudaccounts"
TASKS = "cloudtasks"
_PROVIDERS = ("aws", "azure", "gcp")
_ShortText = Annotated[str, Field(max_length=256)]
NOT_READ = "The account is stored. This server cannot read clouds yet, so it stays PENDING and nothing is discovered in it."


class AwsSettings(ResourceModel):
    """Of an AWS account."""

    awsaccount: str | None = None


class CloudAccount(ResourceModel):
    """What a client sets on a cloud account."""

    name: Name
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    provider_type: Literal["aws", "azure", "gcp"]
    aws: AwsSettings | None = None
    azure: dict[str, Any] | None = None
    gcp: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _is_of_its_provider(self) -> Self:
        for provider in _PROVIDERS:
            if getattr(self, provider) and provider != self.provider_type:
                message = f'The account is of provider_type "{self.provider_type}": leave {provider} out.'
                raise ValueError(message)
        return self


class Callback(ResourceModel):
    """What the deployment tells when it calls back: of GCP all, of others nothing. More is ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)

    project_id: _ShortText | None = None
    project_name: _ShortText | None = None
    template_version: _ShortText | None = None
    deployment_name: _ShortText | None = None


def new_callback(account_id: str, /) -> tuple[str, str]:
    """Return the callback's part of the address, and the digest to know it by."""
    token = new_token()
    return f"{account_id}.{token}", _digest(token)


def is_callback_of(account: Document, token: str, /) -> bool:
    """Tell whether the token is the account's. One with 256 random bits needs no slow hash."""
    return hmac.compare_digest(str(account.get("callback", "")), _digest(token))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
