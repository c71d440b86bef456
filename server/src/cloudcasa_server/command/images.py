"""The images that an installation uses. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Images:
    """The images of an installation, each with registry, repository and tag."""

    agent: str
    velero: str
    plugin_aws: str


def replace_registry(image: str, registry: str | None, /) -> str:
    """Return the image in another registry: the first path part is exchanged if it is a registry, else the registry is put before."""
    if not registry:
        return image
    first, _, rest = image.partition("/")
    is_registry = bool(rest) and ("." in first or ":" in first or first == "localhost")
    return f"{registry.strip('/')}/{rest if is_registry else image}"
