"""The artifacts of a run, unpacked and read. Pure. Shapes: velero.md 7; velero v1.18.3 internal/volume/volumes_information.go."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from ..commands import VolumeResult

MAX_UNPACKED_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_LINES = 500


class TooLargeError(ValueError):
    """An artifact is larger than anybody needs."""


def unpack(packed: bytes, /) -> bytes:
    """Return the content of a gzip, or the bytes as they are when something on the way has unpacked them. Raises TooLargeError, zlib.error."""
    content = bytearray()
    for part in unpacked_parts(packed):
        content += part
        if len(content) > MAX_UNPACKED_BYTES:
            text = "It is too large to read."
            raise TooLargeError(text)
    return bytes(content)


def unpacked_parts(packed: bytes, /) -> Iterator[bytes]:
    """Yield the content piece by piece: it may be far larger than the memory. Raises zlib.error at the end of what breaks off."""
    if not packed.startswith(b"\x1f\x8b"):
        yield packed
        return
    stream = zlib.decompressobj(wbits=31)
    while packed and not stream.eof:
        yield stream.decompress(packed, _CHUNK_BYTES)
        packed = stream.unconsumed_tail
    yield stream.flush()
    if not stream.eof:
        text = "it breaks off"
        raise zlib.error(text)


def read_results(raw: Any, /) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return errors and warnings of a results artifact, each with where it belongs."""
    return _messages(raw.get("errors") or {}), _messages(raw.get("warnings") or {})


def read_resources(raw: Any, /) -> dict[str, int]:
    """Return the number of objects of each kind."""
    return {str(kind): len(names or []) for kind, names in raw.items()}


def read_volumes(raw: Any, /) -> tuple[VolumeResult, ...]:
    """Return what became of each claim; what was skipped or failed says so."""
    return tuple(_volume(item) for item in raw or [] if item.get("pvcName"))


def _volume(item: Mapping[str, Any]) -> VolumeResult:
    moved, csi = item.get("snapshotDataMovementInfo") or {}, item.get("csiSnapshotInfo") or {}
    pod_volume = item.get("pvbInfo") or item.get("pvrInfo") or {}
    is_skipped = bool(item.get("skipped"))
    phases = [info.get("phase") or info.get("Phase") for info in (moved, pod_volume)]
    return VolumeResult(
        namespace=item.get("pvcNamespace", ""),
        pvc=item["pvcName"],
        method=item.get("backupMethod") or item.get("restoreMethod") or "",
        is_data_moved=bool(item.get("snapshotDataMoved")),
        succeeded=not is_skipped and item.get("result") != "failed" and all(phase in {None, "", "Completed"} for phase in phases),
        skipped_reason=(item.get("skippedReason") or "Velero skipped it.") if is_skipped else "",
        size_bytes=max(0, moved.get("size") or csi.get("size") or pod_volume.get("size") or 0),
        incremental_bytes=max(0, moved.get("incrementalSize") or pod_volume.get("incrementalSize") or 0),
    )


def _messages(raw: Mapping[str, Any]) -> tuple[str, ...]:
    found = [str(message) for part in ("velero", "cluster") for message in raw.get(part) or []]
    for namespace, messages in (raw.get("namespaces") or {}).items():
        found.extend(f'namespace "{namespace}": {message}' for message in messages)
    hidden = len(found) - _LINES
    return (*found[:_LINES], f"… and {hidden} more.") if hidden > 0 else tuple(found)
