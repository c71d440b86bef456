"""The proof of a store from inside the cluster, for a server that does not reach it: write, read, list and delete one object.

It lies beside the prefixes of the clusters, never inside one: Velero calls a prefix with unknown directories invalid.
"""

from __future__ import annotations

import secrets

from cloudcasa_contract.commands import StorageTarget

from cloudcasa_agent.kit.errors import AgentError

from .bucket import Bucket, open_bucket
from .errors import StorageUnreachableError

SECONDS = 15.0


async def probe_storage(target: StorageTarget, /) -> None:
    """Return when the store can be used, with nothing left behind. Raises StorageUnreachableError."""
    try:
        async with open_bucket(target, seconds=SECONDS) as bucket:
            is_same = await _try_out(bucket)
    except AgentError as error:
        raise _unusable(target, error.text) from error
    if not is_same:
        raise _unusable(target, "what was written was not read back.")


async def _try_out(bucket: Bucket) -> bool:
    key, body = f"cloudcasa-probe/{secrets.token_hex(8)}", secrets.token_bytes(32)
    await bucket.put(key, body)
    try:
        return await bucket.keys(key) == (key,) and await bucket.get(key) == body
    finally:
        await bucket.delete(key)


def _unusable(target: StorageTarget, why: str) -> StorageUnreachableError:
    return StorageUnreachableError(f'Cannot use object store "{target.name}" (bucket "{target.bucket}" at {target.endpoint}): {why}')
