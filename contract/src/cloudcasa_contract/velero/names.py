"""What namespaces are called after a restore: decided by the server where it knows the names, by the agent where only the backup tells them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def renamed(namespaces: Iterable[str], /, *, given: Mapping[str, str], prefix: str = "", suffix: str = "") -> dict[str, str]:
    """Return {old: new} of the namespaces that change their names; the map goes before prefix and suffix."""
    names = {name: f"{prefix}{name}{suffix}" for name in namespaces} | dict(given)
    return {old: new for old, new in names.items() if old != new}


def check_names(namespaces: Iterable[str], /, *, mapping: Mapping[str, str]) -> None:
    """Refuse names that no namespace can have, and two namespaces that would become one. Raises ValueError with a sentence."""
    sources: dict[str, str] = {}
    for old in sorted({*namespaces, *mapping}):
        new = mapping.get(old, old)
        if old in mapping and not _NAME.fullmatch(new):
            text = f'The namespace "{old}" cannot become "{new[:80]}": a name has up to 63 lower-case letters, digits and dashes, none at the ends.'
            raise ValueError(text)
        if new in sources:
            text = f'The namespaces "{sources[new]}" and "{old}" would both become "{new}". Give each a name of its own.'
            raise ValueError(text)
        sources[new] = old
