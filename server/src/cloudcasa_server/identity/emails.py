"""E-mail addresses as names of people: one spelling for one person, and none that only looks like another's.

Compared in lower case after Unicode's canonical composition. What compatibility forms would fold together (full-width letters, the long s) is
refused instead, because the mail of the two spellings goes to different people. Mail is never sent here, so nothing more is judged than that.
"""

from __future__ import annotations

import re
import unicodedata

MAX_CHARACTERS = 254
MAX_LOCAL = 64
_LOCAL = re.compile(r'[^\s@<>()\[\]\\,;:"]+')
_LABEL = re.compile(r"(?!-)[^\W_](?:[\w-]{0,61}[^\W_])?(?<!-)")


def canonical_email(text: str) -> str:
    """Return the spelling by which a person is found. Raises ValueError with a sentence."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"The e-mail address is {len(text)} characters long; {MAX_CHARACTERS} are allowed.")
    composed = unicodedata.normalize("NFC", text)
    if not composed.isprintable() or composed != unicodedata.normalize("NFKC", text):
        raise ValueError("The e-mail address has characters that can be taken for others. Write it in plain letters.")
    local, at, domain = composed.rpartition("@")
    is_good = at and len(local) <= MAX_LOCAL and _LOCAL.fullmatch(local) and all(map(_LABEL.fullmatch, domain.split(".")))
    if not is_good:
        raise ValueError(f'"{composed[:60]}" is not an e-mail address such as ann@example.org.')
    return composed.lower()


def find_email(text: object) -> str | None:
    """Return the canonical spelling, or None when it is not an e-mail address."""
    try:
        return canonical_email(text) if isinstance(text, str) else None
    except ValueError:
        return None


def name_of(email: str) -> str:
    """Return a name for who said none: what stands before the @."""
    return email.partition("@")[0]
