"""The only way out to a provider: to the hosts that the operator named, over TLS, with deadlines, and with answers that end.

No redirect is followed and no proxy of the environment is used: where the server's requests go is what its settings say and nothing else.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx2

from ...kit.provider_settings import ProviderSettings, is_safe_scheme

TIMEOUT_SECONDS = 6.0
"""Of one request; clients of this server give up after 10 in all."""
MAX_BYTES = 1_048_576


class StrayRequestError(httpx2.TransportError):
    """A request to a host that the operator did not name."""


class _Limited(httpx2.AsyncByteStream):
    """An answer that is not read beyond a limit."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MAX_BYTES:
                raise httpx2.DecodingError(f"The provider answered with more than {MAX_BYTES} bytes.")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Passes requests on to known places only."""

    def __init__(self, settings: ProviderSettings, context: ssl.SSLContext) -> None:
        """Allow the issuer's own host and port, and the further hosts of the settings."""
        self._transport = httpx2.AsyncHTTPTransport(verify=context, retries=0, trust_env=False)
        self._settings = settings

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request."""
        if not is_known_place(str(request.url), self._settings):
            raise StrayRequestError(f'The address "{request.url}" is not on the issuer\'s host, nor on one of endpoint_hosts.')
        request.headers["Accept-Encoding"] = "identity"
        response = await self._transport.handle_async_request(request)
        stream = response.stream
        if not isinstance(stream, httpx2.AsyncByteStream):
            raise TypeError("an asynchronous transport has an asynchronous stream")
        return httpx2.Response(response.status_code, headers=response.headers, stream=_Limited(stream), extensions=response.extensions)

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._transport.aclose()


def trust_of(settings: ProviderSettings) -> ssl.SSLContext:
    """Return whom to trust: the named authority alone, or the system's. Reads files, so once."""
    return ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else ssl.create_default_context()


def is_known_place(url: str, settings: ProviderSettings) -> bool:
    """Tell whether a request may go there."""
    parts, issuer = urlsplit(url), urlsplit(settings.issuer)
    if not is_safe_scheme(url):
        return False
    is_issuer = (parts.scheme, parts.hostname, parts.port) == (issuer.scheme, issuer.hostname, issuer.port)
    return is_issuer or (parts.hostname or "") in settings.endpoint_hosts
