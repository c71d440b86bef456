"""Where a request comes from: the peer, or what proxies that the operator trusts say of it.

X-Forwarded-For is read from its end: each trusted proxy has appended whom it heard, and the first that is not trusted is the client. What stands
before is the client's own claim. Of an IPv6 address the first 64 bits count, since who has one address has all of those.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

Network = IPv4Network | IPv6Network
UNKNOWN = "unknown"
_PREFIX = 64


class ClientAddress:
    """The layer that puts the client's own address where the peer's was, for everything below: throttling, audit log, list of sessions."""

    def __init__(self, app: ASGIApp, trusted: Sequence[str]) -> None:
        """Wrap the application; `trusted` are the networks of the operator's proxies."""
        self._app = app
        self._trusted = [ip_network(network) for network in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] in {"http", "websocket"} and self._trusted:
            scope = {**scope, "client": (client_address(HTTPConnection(scope), trusted=self._trusted), 0)}
        await self._app(scope, receive, send)


def client_address(connection: HTTPConnection, /, *, trusted: Sequence[Network]) -> str:
    """Return the client's address."""
    peer = connection.client.host if connection.client else UNKNOWN
    forwarded = ",".join(connection.headers.getlist("x-forwarded-for"))
    return _resolve(peer, forwarded, trusted)


def _resolve(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    address = peer
    while hops and _is_trusted(address, trusted):
        hop = _parse(hops.pop())
        if hop is None:
            break
        address = str(hop)
    return address


def _is_trusted(text: str, trusted: Sequence[Network]) -> bool:
    address = _parse(text)
    return address is not None and any(address.version == network.version and address in network for network in trusted)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address, without the brackets and the port that some proxies write."""
    host = text.removeprefix("[").partition("]")[0] if text.startswith("[") else text
    try:
        address = ip_address(host.partition(":")[0] if host.count(":") == 1 else host)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def neighbourhood(text: str) -> str:
    """Return what counts as one place: an IPv4 address, or 64 bits of IPv6."""
    address = _parse(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _PREFIX), strict=False))
    return str(address or text)
