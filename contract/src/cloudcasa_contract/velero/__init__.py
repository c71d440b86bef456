"""What Velero leaves in a bucket, and what it means: read by agents at the end of a run, and by a server that knows the bucket only."""

from __future__ import annotations

from .artifacts import TooLargeError, read_resources, read_results, read_volumes, unpack, unpacked_parts
from .listing import Listed, claims_in, namespaces_in, read_listing
from .names import check_names, renamed
from .runs import backup_counts, run_end

__all__ = [
    "Listed",
    "TooLargeError",
    "backup_counts",
    "check_names",
    "claims_in",
    "namespaces_in",
    "read_listing",
    "read_resources",
    "read_results",
    "read_volumes",
    "renamed",
    "run_end",
    "unpack",
    "unpacked_parts",
]
