"""Which reason of the catalogue the words of Velero, Kubernetes and object stores stand for. Pure.

Only words that mean one thing are clues; what they do not explain keeps the general reason. Read in Velero v1.18.3, its AWS plugin, and the
errors of S3 (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_CLUES = tuple(
    (slug, re.compile(pattern, re.IGNORECASE))
    for slug, pattern in (
        ("store_bucket_missing", r"NoSuchBucket|specified bucket does not exist"),
        ("store_clock_skew", r"RequestTimeTooSkewed"),
        ("store_full", r"no space left on device|StorageFull|QuotaExceeded|InsufficientCapacity|EntityTooLarge.*quota"),
        ("store_tls", r"x509: |certificate signed by unknown authority"),
        ("store_denied", r"InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|ExpiredToken|InvalidClientTokenId"),
        ("snapshot_class_missing", r"failed to get VolumeSnapshotClass"),
        ("snapshot_timeout", r"CSI got timed out|volume ?snapshot.*(timed? ?out|deadline exceeded)"),
        ("datamover_oom", r"OOMKilled"),
        ("restore_webhook", r"admission webhook .* denied|failed calling webhook"),
        ("restore_quota", r"exceeded quota"),
        ("restore_api_missing", r"no matches for kind|the server could not find the requested resource"),
        ("restore_class_missing", r"storageclass(es)?\.storage\.k8s\.io \"[^\"]*\" not found"),
        ("hook_failed", r"error executing hook"),
        ("store_unreachable", r"connection refused|no such host|i/o timeout|network is unreachable"),
    )
)


def clue(texts: Iterable[str], /, *, otherwise: str) -> str:
    """Return the reason that the first telling text names, else `otherwise`."""
    for text in texts:
        for slug, pattern in _CLUES:
            if pattern.search(text):
                return slug
    return otherwise
