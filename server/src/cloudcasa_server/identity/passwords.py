"""Passwords: what is asked of one, and Argon2id in threads that are few, so that logins can neither eat the memory nor stall the API.

Parameters: OWASP's password storage cheat sheet (Argon2id, 19 MiB, 2 passes, 1 lane), by settings. Length is all that is asked of a password
(NIST SP 800-63B, 3.1.1.2: no rules of composition). An unknown user costs the same as a wrong password: a hash of nothing is verified.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ..kit.errors import InvalidError, UnavailableError
from .emails import find_email

MIN_CHARACTERS = 12
MAX_CHARACTERS = 1_024
WORKERS = 2
"""Hashes computed at the same time."""
MAX_WAITING = 32
"""Further logins that wait for a thread; more are told to come back."""

T = TypeVar("T")


def check_password(password: object, *, email: str, field: str = "password") -> str:
    """Return the password. Raises InvalidError with the rule it breaks, never with the password."""
    if not isinstance(password, str) or not password:
        raise _refused(field, f'The field "{field}" is required.')
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise _refused(field, f"The password must have {MIN_CHARACTERS} to {MAX_CHARACTERS} characters; anything else is up to you.")
    if not password.strip() or find_email(password) == email:
        raise _refused(field, "The password must not be blank, nor the e-mail address.")
    return password


def _refused(field: str, text: str) -> InvalidError:
    return InvalidError(text, issues={field: text})


def _normal(password: str) -> str:
    """Return one form for what keyboards of different systems compose differently."""
    return unicodedata.normalize("NFKC", password)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one hash costs."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1


class Passwords:
    """Hashes passwords and verifies them."""

    def __init__(self, cost: Cost, /) -> None:
        """Make the threads, and the hash that stands for unknown users."""
        self._hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes)
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="passwords")
        self._nobody = self._hasher.hash(secrets.token_urlsafe())
        self._running = 0

    async def hash(self, password: str, /) -> str:
        """Return what is stored of a password."""
        return await self._run(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, password: object, hashed: str | None, /) -> bool:
        """Tell whether this is the password; takes as long when there is none."""
        given = password if isinstance(password, str) and len(password) <= MAX_CHARACTERS else ""
        is_right = await self._run(lambda: self._verify(hashed or self._nobody, _normal(given)))
        return is_right and bool(hashed) and bool(given)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, hashed: str, /) -> bool:
        """Tell whether the hash was made with other parameters than those that are set now."""
        return self._hasher.check_needs_rehash(hashed)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._running >= WORKERS + MAX_WAITING:
            raise UnavailableError("Too many people sign in at this moment. Try again in a few seconds.", headers={"Retry-After": "2"})
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._running -= 1

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
