"""The agent's credentials: made, told apart and compared. Pure but for the random source.

A credential is `cca_<cluster id>_<43 random characters>`, so the cluster is found without a search and the secret is compared in constant
time. Three may be good at once: the one of the manifest (`otp`), the one in use (`current`) and the one handed out last (`next`), since an
agent may die between being handed a credential and storing it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Literal

from ..kit.store import Document

Slot = Literal["otp", "current", "next"]
SLOTS: tuple[Slot, ...] = ("current", "next", "otp")
_FORM = re.compile(r"cca_(?P<cluster>[0-9a-f]{24})_[A-Za-z0-9_-]{43}")
TOKEN_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """Return 43 URL-safe characters: 32 random bytes."""
    return secrets.token_urlsafe(32)


def new_credential(cluster_id: str, /) -> str:
    """Return a fresh credential of a cluster's agent."""
    return f"cca_{cluster_id}_{new_token()}"


def digest(secret: str, /) -> str:
    """Return what is stored of a secret with 256 random bits; such a secret needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def cluster_of(credential: str, /) -> str | None:
    """Return the cluster that a credential claims, or None when it is malformed."""
    match = _FORM.fullmatch(credential)
    return match["cluster"] if match else None


def find_slot(document: Document, credential: str, /) -> Slot | None:
    """Return which of the cluster's credentials this is, or None."""
    known = document.get("agent", {}).get("credentials", {})
    given = digest(credential)
    return next((slot for slot in SLOTS if known.get(slot) and hmac.compare_digest(str(known[slot]), given)), None)
