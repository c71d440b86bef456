"""What is remembered of callers for a few seconds, and dropped at once when access changes in this process."""

from __future__ import annotations

from typing import Protocol

CACHE_SECONDS = 10.0
"""How long a change of access that another replica made may go unnoticed here."""


class Forgetful(Protocol):
    """Remembers callers."""

    def forget(self) -> None:
        """Forget them all."""


class Caches:
    """Everything that remembers callers. Add to it what does."""

    def __init__(self, *caches: Forgetful) -> None:
        """Take them."""
        self._caches = list(caches)

    def add(self, cache: Forgetful, /) -> None:
        """Take one more."""
        self._caches.append(cache)

    def forget(self) -> None:
        """Make the next request look anew at what its caller may do."""
        for cache in self._caches:
            cache.forget()
