"""Documents as the audit log may show them: without what is hidden, with secrets masked, and bounded. Pure.

What a resource declares as write-only or guarded is masked wherever it stands; besides, any text under a key that sounds like a secret, since
free-form objects (options, configuration, tags) hold what people put there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import orjson

from ..kit.rest import Resource, paths
from ..kit.rest.documents import ENVELOPE
from ..kit.store import Document

MASK = "********"
CHANGED = "******** (changed)"
MAX_BYTES = 32_768
"""Largest before or after that is kept: a document may be a megabyte, and there may be many changes of it."""
_SOUNDS_SECRET = re.compile(
    r"pass(word|phrase|wd)|pwd|secret|token|credential|(private|api|access|account|storage|encryption)[-_]?key|connection[-_]?string|authorization",
    re.IGNORECASE,
)
_LEFT_OUT = frozenset({*ENVELOPE, "status"})


def masked(document: Document | None, resource: Resource | None, /, *, before: Document | None = None) -> Document | None:
    """Return what is kept of a document; with `before`, a secret that changed says so."""
    if document is None:
        return None
    shown = {key: value for key, value in deepcopy(document).items() if key not in _LEFT_OUT}
    for path in resource.hidden - set(resource.guarded) if resource else ():
        paths.remove(shown, path)
    for path in {*resource.write_only, *resource.guarded} if resource else ():
        if paths.has(shown, path):
            is_same = before is None or paths.get(before, path) == paths.get(document, path)
            paths.put(shown, path, MASK if is_same else CHANGED)
    return bounded(_without_secrets(shown))


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _masked_value(one) if _SOUNDS_SECRET.search(key) else _without_secrets(one) for key, one in value.items()}
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value


def _masked_value(value: Any) -> Any:
    """Return the value masked where it could be a secret: numbers and flags are not."""
    if isinstance(value, Mapping):
        return {key: _masked_value(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_masked_value(one) for one in value]
    return value if value in {None, "", MASK, CHANGED} or not isinstance(value, str) else MASK


def bounded(document: Document, /) -> Document:
    """Return the document, its largest fields replaced by their size where it is too large."""
    sizes = {key: len(orjson.dumps(value)) + len(key) for key, value in document.items()}
    total = sum(sizes.values())
    kept = dict(document)
    for key in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if total <= MAX_BYTES:
            break
        kept[key] = f"[{sizes[key]} bytes, left out]"
        total -= sizes[key]
    return kept
