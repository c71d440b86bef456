"""OCI image archives from files, without a daemon, a registry or a base image.

Reproducible: the same content gives the same bytes, whatever the clock and the owner of the files. Static binaries need no more than
this; what needs a distribution below it is built by `lab.build.containers`. Source: OCI image specification 1.1, "image layout".
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .errors import BuildFailedError

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class ImagePlan:
    """What is in an image, and how it starts."""

    ref: str
    files: Mapping[str, bytes | Path]
    """Path inside -> content; a Path is read, and is executable inside when it is so outside."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Path inside -> what the symbolic link points to."""
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Sequence[str] = ()
    user: str = ""


def write_archive(archive: Path, plan: ImagePlan) -> None:
    """Write the image as an OCI archive that `ctr images import` takes."""
    layer = _layer(plan)
    config = _json(_config(plan, diff_id=_digest(layer)))
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [_descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
        }
    )
    index = _json({"schemaVersion": 2, "manifests": [_named(manifest, plan.ref)]})
    members = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index}
    for blob in (layer, config, manifest):
        members[f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}"] = blob
    with tarfile.open(archive, "w") as tar:
        for name, content in members.items():
            _add(tar, tarfile.TarInfo(name), content)


def archive_ref(archive: Path) -> str:
    """Return the reference that an archive names its image by; also of an archive that buildah wrote."""
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        if index is None:
            raise BuildFailedError(f'"{archive}" is no OCI archive: it has no index.json. Delete its directory and build it again.')
        ref: str = json.load(index)["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
    return ref


def _layer(plan: ImagePlan) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in _folders([*plan.files, *plan.links]):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for name in sorted(plan.files):
            source = plan.files[name]
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.mode = 0o755 if isinstance(source, Path) and source.stat().st_mode & 0o100 else 0o644
            _add(tar, entry, source.read_bytes() if isinstance(source, Path) else source)
        for name, target in sorted(plan.links.items()):
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return out.getvalue()


def _folders(names: Sequence[str]) -> list[str]:
    parents = {str(parent) for name in names for parent in Path(name.lstrip("/")).parents}
    return sorted((parents | {"tmp"}) - {"."})


def _config(plan: ImagePlan, *, diff_id: str) -> dict[str, object]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": list(plan.entrypoint) or None,
            "Cmd": list(plan.command) or None,
            "Env": [PATH, *plan.environment],
            "User": plan.user,
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }


def _named(manifest: bytes, ref: str) -> dict[str, object]:
    # containerd reads the first annotation, podman and skopeo the second.
    names = {"io.containerd.image.name": ref, "org.opencontainers.image.ref.name": ref}
    return {**_descriptor(manifest, "application/vnd.oci.image.manifest.v1+json"), "annotations": names}


def _descriptor(blob: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _add(tar: tarfile.TarFile, entry: tarfile.TarInfo, content: bytes) -> None:
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
