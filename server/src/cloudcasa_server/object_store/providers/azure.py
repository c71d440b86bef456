"""Azure Blob Storage (provider_type `azure`): what it needs, and where it lies. Source: rest-api.md 2.4; docs/adr/0022.

A storage account takes the place of the bucket. Its container is `bucket_name` where that is given, which clients written for the
product never do, else `cloudcasa`, made by the first agent that writes to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from ...kit.store import Document
from ..model import normalise_endpoint, not_yet
from ..probe import ProbeError
from .azure_blob import AzureTarget, ServicePrincipal

DEFAULT_CONTAINER = "cloudcasa"
_SUFFIXES = {"Public": "blob.core.windows.net", "Government": "blob.core.usgovcloudapi.net"}
_PRINCIPAL = ("subscription_id", "tenant_id", "client_id", "client_secret")


@dataclass(frozen=True, slots=True)
class Azure:
    """The kind `azure`."""

    def place(self, document: Document, /) -> str:
        """Return the storage account, and the container where one was named."""
        account = str((document.get("s3provider") or {}).get("storage_account_name") or "")
        return f"{account}/{document['bucket_name']}" if document.get("bucket_name") else account

    def target(self, document: Document, credentials: Mapping[str, Any], /) -> AzureTarget:
        """Return what is to be probed. Raises ProbeError."""
        provider = document["s3provider"]
        if not document.get("region"):
            raise ProbeError("An Azure object store needs its region, such as eastus.", field="region")
        endpoint = _endpoint(provider)
        account_key, principal = _credentials(provider, credentials)
        if principal and endpoint.startswith("http:"):
            text = f'A service principal is not sent over "{endpoint}". Use an https endpoint, or an account_key.'
            raise ProbeError(text, field="s3provider.endpoint")
        return AzureTarget(
            endpoint=endpoint,
            account=provider["storage_account_name"],
            container=document.get("bucket_name") or DEFAULT_CONTAINER,
            is_container_given=bool(document.get("bucket_name")),
            prefix=document.get("prefix") or "",
            account_key=account_key,
            principal=principal,
            ca_pem=document.get("ca_pem") or None,
            skip_tls_verification=bool(document.get("skip_tls_certificate_validation")),
        )

    def access(self, document: Document, credentials: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Refuse: the agents do not write to Azure yet. Raises ProbeError."""
        del credentials
        raise ProbeError(not_yet(document), field="provider_type")


def _endpoint(provider: Mapping[str, Any]) -> str:
    """Return the blob service's URL; one that was given may end in the account's name, as Azurite and Azure Stack have it."""
    account = provider["storage_account_name"]
    given = provider.get("endpoint")
    if not given:
        return f"https://{account}.{_SUFFIXES[provider.get('cloud') or 'Public']}"
    ending = f"/{account}"
    base = given.strip().rstrip("/")
    try:
        return normalise_endpoint(base.removesuffix(ending)) + (ending if base.endswith(ending) else "")
    except ValueError as error:
        raise ProbeError(str(error), field="s3provider.endpoint") from error


def _credentials(provider: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[SecretStr | None, ServicePrincipal | None]:
    if given.get("account_key"):
        return SecretStr(given["account_key"]), None
    if missing := [key for key in _PRINCIPAL if not given.get(key)]:
        text = (
            f'Cannot access the storage account "{provider["storage_account_name"]}" without {", ".join(missing)}.'
            " Check the credentials and permissions: give a service principal, whole."
        )
        raise ProbeError(text, field="s3provider.credentials")
    return None, ServicePrincipal(
        cloud=provider.get("cloud") or "Public",
        tenant_id=given["tenant_id"],
        client_id=given["client_id"],
        client_secret=SecretStr(given["client_secret"]),
    )
