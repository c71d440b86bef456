"""What a provider of object storage has of its own, for bucket.py: how requests are signed, and how a listing is asked for and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp


@dataclass(frozen=True)
class Request:
    """One request about a key of the bucket, or about the bucket itself when the key is empty."""

    method: str
    key: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Signed:
    """A request as it goes out; the URL is encoded."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Listing:
    """One page of a listing. `keys` and `prefixes` are as the store has them, from the bucket's root."""

    keys: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    """What stands for all keys up to the next slash."""
    following: str = ""
    """Where the next page begins; empty at the end."""


class Dialect(Protocol):
    """How one provider is spoken to."""

    async def sign(self, request: Request, /, *, session: aiohttp.ClientSession) -> Signed:
        """Return the request as the store's own; may log in first."""

    def list_query(self, *, prefix: str, delimiter: str, following: str, limit: int) -> Mapping[str, str]:
        """Return what asks for a page."""

    def read_listing(self, body: bytes, /) -> Listing:
        """Return a page. Raises ValueError."""
