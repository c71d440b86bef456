"""A few objects of a store, read and written directly with the credential that a command brought: no SDK, and the same for each provider.

Velero's DownloadRequests start a plugin process for each artifact, one after the other (0.4-0.8 s for four, measured); this takes
some 20 ms for all. It is tried first; what it cannot read is asked of Velero (docs/adr/0013). Keys are relative to the target's prefix.
What differs between providers is a Dialect: bucket_s3.py, bucket_azure.py.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from cloudcasa_contract.commands import StorageTarget
from yarl import URL

from cloudcasa_agent.kit.errors import AgentError

from .bucket_dialect import Dialect, Listing, Request
from .bucket_s3 import S3Dialect
from .errors import BucketError

SECONDS = 60.0
CONNECT_SECONDS = 5.0
MAX_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_KEYS: Mapping[str, str] = {
    "BackupLog": "backups/{name}/{name}-logs.gz",
    "BackupResults": "backups/{name}/{name}-results.gz",
    "BackupVolumeInfos": "backups/{name}/{name}-volumeinfo.json.gz",
    "BackupResourceList": "backups/{name}/{name}-resource-list.json.gz",
    "BackupContents": "backups/{name}/{name}.tar.gz",
    "PodVolumeBackups": "backups/{name}/{name}-podvolumebackups.json.gz",
    "Backup": "backups/{name}/velero-backup.json",
    "RestoreLog": "restores/{name}/restore-{name}-logs.gz",
    "RestoreResults": "restores/{name}/restore-{name}-results.gz",
    "RestoreVolumeInfo": "restores/{name}/{name}-volumeinfo.json.gz",
    "RestoreResourceList": "restores/{name}/restore-{name}-resource-list.json.gz",
}
"""Source: velero v1.18.3, pkg/persistence/object_store_layout.go."""
_PAGE = 1_000
_NOT_FOUND = 404


class Bucket:
    """The objects below the prefix of a target. Every method raises BucketError, and AgentError when the network fails."""

    def __init__(self, storage: StorageTarget, *, dialect: Dialect, session: aiohttp.ClientSession) -> None:
        """Use an open session; `open_bucket` makes one."""
        self._prefix = storage.prefix.strip("/")
        self._dialect = dialect
        self._session = session

    async def get(self, key: str, /, *, max_bytes: int = MAX_BYTES) -> bytes:
        """Return an object."""
        return await self._send(Request("GET", self._full(key)), max_bytes=max_bytes)

    async def put(self, key: str, body: bytes, /) -> None:
        """Write an object."""
        await self._send(Request("PUT", self._full(key), body=body))

    async def delete(self, key: str, /) -> None:
        """Delete an object; that it is gone already is fine."""
        try:
            await self._send(Request("DELETE", self._full(key)))
        except BucketError as error:
            if not error.is_missing:
                raise

    async def keys(self, prefix: str = "", /, *, limit: int = 0) -> tuple[str, ...]:
        """Return the keys that begin so; with `limit`, some of them."""
        return tuple([key async for page in self._pages(prefix, delimiter="", limit=limit) for key in page.keys])

    async def folders(self, prefix: str = "", /) -> tuple[str, ...]:
        """Return the names of what lies directly below a prefix that ends in a slash, or in the root, and has something below itself."""
        found = [name async for page in self._pages(prefix, delimiter="/") for name in page.prefixes]
        return tuple(name.removeprefix(prefix).rstrip("/") for name in found)

    async def _pages(self, prefix: str, *, delimiter: str, limit: int = 0) -> AsyncIterator[Listing]:
        """Yield pages, with what they hold relative to the target's prefix."""
        root = f"{self._prefix}/" if self._prefix else ""
        following = ""
        while True:
            query = self._dialect.list_query(
                prefix=f"{root}{prefix}", delimiter=delimiter, following=following, limit=min(limit or _PAGE, _PAGE)
            )
            body = await self._send(Request("GET", query=query))
            try:
                page = self._dialect.read_listing(body)
            except ValueError as error:
                raise BucketError("The object store's list was not understood.", code="") from error
            yield Listing(_below(page.keys, root), _below(page.prefixes, root), page.following)
            following = page.following
            if not following or limit:
                return

    def _full(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    async def _send(self, request: Request, *, max_bytes: int = MAX_BYTES) -> bytes:
        try:
            signed = await self._dialect.sign(request, session=self._session)
            url = URL(signed.url, encoded=True)
            data = request.body or None
            async with self._session.request(request.method, url, headers=signed.headers, data=data, allow_redirects=False) as response:
                body = await read_body(response, max_bytes=max_bytes)
                if not response.ok:
                    raise refusal(response.status, body)
                return body
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise BucketError(f"The object store could not be reached ({_why(error)}).", code="unreachable") from error


def _below(names: tuple[str, ...], root: str) -> tuple[str, ...]:
    return tuple(name.removeprefix(root) for name in names)


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError | aiohttp.ClientSSLError):
        return "its TLS certificate is not trusted; give its CA in ca_pem of the object store"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return type(error).__name__


async def read_body(response: aiohttp.ClientResponse, /, *, max_bytes: int) -> bytes:
    """Return what a store answers. Raises AgentError when that is too much to hold."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise AgentError("It is too large to read.")
    return bytes(body)


def refusal(status: int, body: bytes, /) -> BucketError:
    """Return the error of an answer that is none; both providers name a code in XML."""
    text = body[:4096].decode(errors="replace")
    code = text.partition("<Code>")[2].partition("</Code>")[0] if "</Code>" in text else ""
    named = f" ({code[:60]})" if code else ""
    return BucketError(f"The object store answered {status}{named}.", code=code[:60], is_missing=status == _NOT_FOUND)


def artifact_key(kind: str, *, name: str) -> str:
    """Return where Velero has put an artifact, below the target's prefix."""
    return _KEYS[kind].format(name=name)


@asynccontextmanager
async def open_bucket(storage: StorageTarget, *, seconds: float = SECONDS) -> AsyncIterator[Bucket]:
    """Give the objects of a target for as long; each request may take `seconds`. Raises AgentError when its CA cannot be read."""
    try:
        connector = aiohttp.TCPConnector(ssl=tls(storage))
    except (OSError, ValueError) as error:
        raise AgentError("The CA certificate of the object store could not be read.") from error
    timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
        yield Bucket(storage, dialect=dialect_of(storage), session=session)


def dialect_of(storage: StorageTarget, /) -> Dialect:
    """Return how to speak to the target's provider."""
    return S3Dialect(storage)


def tls(storage: StorageTarget, /) -> ssl.SSLContext | bool:
    """Return what decides whom to trust: nobody is asked, the store's own CA, or those of the system."""
    if storage.skip_tls_verification:
        return False
    return ssl.create_default_context(cadata=storage.ca_pem) if storage.ca_pem else True
