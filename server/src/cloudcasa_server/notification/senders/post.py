"""One POST to an address that the operator named: with deadlines, without redirects, proxies of the environment, or answers without end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx2

from .base import SendError

_SECONDS = 10.0
_MAX_WAIT_SECONDS = 3600.0


def place_of(url: str, /) -> str:
    """Return the host of an address, whose path is often a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def post(url: str, body: bytes, /, *, headers: Mapping[str, str], ca_pem: str | None) -> None:
    """Send, or raise SendError."""
    where = place_of(url)
    try:
        trust = ssl.create_default_context(cadata=ca_pem) if ca_pem else ssl.create_default_context()
        transport = httpx2.AsyncHTTPTransport(verify=trust, retries=0, trust_env=False)
        client = httpx2.AsyncClient(transport=transport, timeout=_SECONDS, trust_env=False, follow_redirects=False)
        async with asyncio.timeout(2 * _SECONDS), client, client.stream("POST", url, content=body, headers=headers) as response:
            status, wait = response.status_code, response.headers.get("retry-after", "")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TimeoutError) as e:
        reason = (
            "it did not answer in time" if isinstance(e, TimeoutError | httpx2.TimeoutException) else f"{type(e).__name__}: {str(e)[:200]}"
        )
        raise SendError(f"Cannot reach {where}: {reason.replace(url, where)}.") from e
    if not response.is_success:
        raise SendError(f"{where} answered {status}.", retry_after_seconds=_seconds(wait))


def _seconds(text: str) -> float:
    return min(float(text), _MAX_WAIT_SECONDS) if text.isascii() and text.isdigit() else 0.0
