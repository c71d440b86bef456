"""What Velero leaves in a bucket, and what it means: read by agents at the end of a run, and by a server that knows the bucket only."""

from __future__ import annotations

from .artifacts import TooLargeError, read_resources, read_results, read_volumes, unpack, unpacked_parts
from .runs import backup_counts, run_end

__all__ = [
    "TooLargeError",
    "backup_counts",
    "read_resources",
    "read_results",
    "read_volumes",
    "run_end",
    "unpack",
    "unpacked_parts",
]
