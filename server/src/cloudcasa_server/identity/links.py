"""Links that can be used once: to set a password, to accept an invitation.

The secret is in the fragment of the address, which browsers send to nobody: it is in no server's log and no referrer. Stored is its hash, in the
document that it is for; using it is a compare-and-set on that document, so of two at once one wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from ..kit.clock import Clock
from ..kit.ids import new_token
from ..kit.store import Document

MAX_CHARACTERS = 200


def link_hash(token: object) -> str:
    """Return what is stored of a link's secret."""
    return (
        sha256(token.encode("utf-8", "surrogateescape")).hexdigest() if isinstance(token, str) and 0 < len(token) <= MAX_CHARACTERS else ""
    )


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was just made."""

    url: str
    stored: Document


@dataclass(frozen=True, slots=True)
class Links:
    """Makes links to this server's own pages."""

    clock: Clock
    public_url: str
    seconds: int

    def new(self, *, page: str = "password", seconds: int | None = None) -> Link:
        """Return a link to a page, and what to store of it."""
        token = new_token()
        expires_at = self.clock.timestamp() + (self.seconds if seconds is None else seconds)
        return Link(f"{self.public_url.rstrip('/')}/login/{page}#token={token}", {"hash": link_hash(token), "expires_at": expires_at})
