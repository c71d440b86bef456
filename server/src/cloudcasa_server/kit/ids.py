"""Ids: 24 lower-case hex characters, in the order of their making within a process (rest-api.md 1.4: MongoDB's ObjectId, as text).

Made here and not with bson, because pymongo lives in kit/store/mongo only.
"""

from __future__ import annotations

import itertools
import re
import secrets
import time

_ID = re.compile(r"[0-9a-f]{24}")
_PROCESS = secrets.token_hex(5)
_counter = itertools.count(secrets.randbelow(0x400000))


def new_id() -> str:
    """Return a new id: 4 bytes of time, 5 of chance, 3 of counting."""
    return f"{int(time.time()) & 0xFFFFFFFF:08x}{_PROCESS}{next(_counter) & 0xFFFFFF:06x}"


def is_id(text: object) -> bool:
    """Tell whether this is an id as we spell it."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def new_token(characters: int = 43) -> str:
    """Return a secret of URL-safe characters [A-Za-z0-9_-], 6 bits each."""
    return secrets.token_urlsafe(characters)[:characters]
