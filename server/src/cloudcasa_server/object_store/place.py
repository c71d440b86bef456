"""Whether two stores would write below each other. Pure.

A cluster writes below `<store prefix>/<cluster id>/` and owns all of it: Velero calls a location invalid that has anything else in it. So the
same place is registered once, and no store lies where a cluster of another store would.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..kit.store import Document
from .model import join_prefix, normalise_endpoint

_CLUSTER_ID = re.compile(r"[0-9a-fA-F]{24}")


def collision(store: Document, others: Iterable[Document], /) -> str:
    """Return why a store cannot be where it is to be, beside the others; empty when it can."""
    for other in others:
        if _container(store) != _container(other):
            continue
        mine, theirs = (join_prefix(one.get("prefix")) for one in (store, other))
        if mine == theirs:
            return f'The object store "{other["name"]}" is at this place already. Use it, or another prefix.'
        if _is_within_cluster(mine, theirs) or _is_within_cluster(theirs, mine):
            return f'The prefix lies where the clusters of the object store "{other["name"]}" write, or they where it does. Use another prefix.'
    return ""


def _is_within_cluster(inner: str, outer: str) -> bool:
    """Tell whether a prefix begins with another and then with what looks like a cluster's id."""
    below = inner.removeprefix(f"{outer}/") if outer else inner
    is_below = inner.startswith(f"{outer}/") if outer else True
    return is_below and bool(_CLUSTER_ID.fullmatch(below.partition("/")[0]))


def _container(store: Document) -> tuple[str, ...]:
    """Return which bucket it is, wherever its endpoint is spelled differently; two endpoints may be one server, but that cannot be told."""
    provider: Mapping[str, Any] = store.get("s3provider") or {}
    bucket = store.get("bucket_name") or ""
    if store.get("provider_type") == "azure":
        return "azure", provider.get("storage_account_name") or "", bucket or "cloudcasa"
    return "aws", _host(provider.get("endpoint") or ""), bucket


def _host(endpoint: str) -> str:
    try:
        return normalise_endpoint(endpoint).partition("://")[2].lower()
    except ValueError:
        return endpoint
