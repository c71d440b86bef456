"""The database behind a small port: see port.py and query.py. `open_store` chooses the adapter by URL."""

from .evaluate import matches
from .opening import open_store
from .port import Collection, Document, DuplicateKeyError, Index, Sort, Store, StoreError, StoreUnavailableError, Update
from .query import ALL, And, Compare, ElemMatch, Exists, In, Not, Or, Prefix, Query, Size, eq
from .waiting import wait_until_reachable

__all__ = [
    "ALL",
    "And",
    "Collection",
    "Compare",
    "Document",
    "DuplicateKeyError",
    "ElemMatch",
    "Exists",
    "In",
    "Index",
    "Not",
    "Or",
    "Prefix",
    "Query",
    "Size",
    "Sort",
    "Store",
    "StoreError",
    "StoreUnavailableError",
    "Update",
    "eq",
    "matches",
    "open_store",
    "wait_until_reachable",
]
