"""The probe of Azure Blob Storage, with Microsoft's own libraries. Used by providers/azure only.

A container that was named must be there and is tried out itself. One that was not may not be there yet: then a container with a name of its own
is made and taken away again, since Azure keeps a deleted container's name for half a minute.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.identity import AzureAuthorityHosts, ClientSecretCredential
from azure.storage.blob import BlobServiceClient, ContainerClient
from pydantic import SecretStr

from ..model import join_prefix
from ..probe import CONNECT_SECONDS, READ_SECONDS, UNTRUSTED, ProbeError, refused, trust, unreachable
from ..reading import Reader
from .azure_reader import AzureReader

SCOPE = "https://storage.azure.com/.default"
_LOGIN = {"Public": AzureAuthorityHosts.AZURE_PUBLIC_CLOUD, "Government": AzureAuthorityHosts.AZURE_GOVERNMENT}
_ENTRA_CODE = re.compile(r"AADSTS\d+")
_NO_CONTAINER = {"ContainerNotFound", "ContainerBeingDeleted"}


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """An application of Microsoft Entra ID. `authority` and its CA are those of the cloud, except in tests."""

    cloud: str
    tenant_id: str
    client_id: str
    client_secret: SecretStr
    authority: str = ""
    authority_ca_file: str = ""

    @property
    def host(self) -> str:
        """Return where it logs in."""
        return self.authority or _LOGIN[self.cloud]

    def credential(self) -> ClientSecretCredential:
        """Return the library's form. No instance discovery: it would ask a host that nobody named."""
        return ClientSecretCredential(
            self.tenant_id,
            self.client_id,
            self.client_secret.get_secret_value(),
            authority=self.host,
            disable_instance_discovery=True,
            connection_verify=self.authority_ca_file or True,
            connection_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retry_total=0,
        )


@dataclass(frozen=True, slots=True)
class AzureTarget:
    """What the probe needs to know. Exactly one of `account_key` and `principal` is there."""

    endpoint: str
    account: str
    container: str
    is_container_given: bool
    prefix: str
    account_key: SecretStr | None
    principal: ServicePrincipal | None
    ca_pem: str | None
    skip_tls_verification: bool

    @property
    def url(self) -> str:
        """Return the address as it appears in sentences."""
        return f"{self.endpoint}/{self.container}" if self.is_container_given else self.endpoint

    def probe(self) -> None:
        """Log in, list, write, read and delete. Raises ProbeError."""
        with self._blamed(), _service(self) as service, _container(self, service) as container:
            is_same = self._try_out(container)
        if not is_same:
            message = f'Cannot use the storage account "{self.account}" at {self.endpoint}: what was written was not read back.'
            raise ProbeError(message, field="s3provider.storage_account_name")

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Open the store for reading. Raises ProbeError, as do the reader's methods."""
        with self._blamed(), _service(self) as service:
            root = join_prefix(self.prefix)
            yield AzureReader(service.get_container_client(self.container), root=f"{root}/" if root else "")

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Say in a sentence what went wrong, and whom to blame."""
        try:
            yield
        except HttpResponseError as error:
            raise self._refused(error) from error
        except (ServiceRequestError, ServiceResponseError) as error:
            raise _unreachable(self.url, error) from error
        except (AzureError, ValueError, OSError) as error:
            message = f'Cannot use the storage account "{self.account}" at {self.endpoint}: {error}'
            raise ProbeError(message, field="s3provider.credentials") from error

    def _try_out(self, container: ContainerClient) -> bool:
        body = secrets.token_bytes(32)
        blob = container.get_blob_client(join_prefix(self.prefix, "cloudcasa-probe", secrets.token_hex(8)))
        next(container.list_blob_names(name_starts_with=join_prefix(self.prefix), results_per_page=1).by_page(), None)
        blob.upload_blob(body)
        try:
            return blob.download_blob().readall() == body
        finally:
            blob.delete_blob()

    def _refused(self, error: HttpResponseError) -> ProbeError:
        code = str(getattr(error, "error_code", None) or getattr(error, "status_code", None) or "")
        if code in _NO_CONTAINER:
            text = f'There is no container "{self.container}" at {self.endpoint}. Make it first, or correct bucket_name.'
            return ProbeError(text, field="bucket_name")
        return refused(f'the storage account "{self.account}" at {self.endpoint}', code)


@contextmanager
def _service(target: AzureTarget) -> Iterator[BlobServiceClient]:
    with ExitStack() as stack:
        credential: TokenCredential | dict[str, str]
        if target.principal:
            credential = stack.enter_context(target.principal.credential())
            _log_in(credential, target.principal)
        else:
            key = target.account_key.get_secret_value() if target.account_key else ""
            credential = {"account_name": target.account, "account_key": key}
        verify = stack.enter_context(trust(target.ca_pem, skip_verification=target.skip_tls_verification))
        service = BlobServiceClient(
            target.endpoint,
            credential,
            connection_verify=verify,
            connection_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retry_total=0,
        )
        yield stack.enter_context(service)


@contextmanager
def _container(target: AzureTarget, service: BlobServiceClient) -> Iterator[ContainerClient]:
    container = service.get_container_client(target.container)
    if target.is_container_given or container.exists():
        yield container
        return
    container = service.create_container(f"{target.container}-probe-{secrets.token_hex(8)}")
    try:
        yield container
    finally:
        container.delete_container()


def _log_in(credential: TokenCredential, principal: ServicePrincipal) -> None:
    """Ask for a token by itself, so that what goes wrong here is told apart from what goes wrong at the store."""
    try:
        credential.get_token(SCOPE)
    except AzureError as error:
        cause = error.__cause__ if isinstance(error.__cause__, ServiceRequestError | ServiceResponseError) else error
        if not isinstance(cause, ClientAuthenticationError):
            raise _unreachable(f"https://{principal.host.removeprefix('https://')}", cause) from error
        code = _ENTRA_CODE.search(str(error))
        raise refused(f"Azure as the application {principal.client_id} of {principal.tenant_id}", code[0] if code else "") from error


def _unreachable(url: str, error: AzureError) -> ProbeError:
    why = UNTRUSTED if "SSLError" in repr(error.inner_exception) or "CERTIFICATE_VERIFY_FAILED" in str(error) else "nothing answers there"
    return unreachable(url, why)
