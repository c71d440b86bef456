"""What each kind of object store has of its own, by the name that clients give it: which fields it needs, and how it is tried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ...kit.store import Document
from ..probe import Target
from . import aws, azure


class Provider(Protocol):
    """One kind."""

    def target(self, document: Document, credentials: Mapping[str, Any], /) -> Target:
        """Return what is to be probed. Raises ProbeError naming the field that is missing or wrong."""

    def access(self, document: Document, credentials: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Return what an agent needs to know beyond what all kinds have: fields of StorageTarget. Raises ProbeError."""

    def place(self, document: Document, /) -> str:
        """Return how people call the place: bucket or storage account and container."""


_PROVIDERS: Mapping[str, Provider] = {"aws": aws.Aws(), "azure": azure.Azure()}


def provider_of(document: Document, /) -> Provider:
    """Return the kind of a store that was judged."""
    return _PROVIDERS[document.get("provider_type") or "aws"]


__all__ = ["Provider", "provider_of"]
