"""API keys: making them, telling who shows one (rest-api.md 1.2).

A key is 125 characters of which 120 are random (720 bits), so a plain SHA-256 is enough to store: there is nothing to guess, and
a slow hash would only slow every request. Found by its hash through a unique index; a short cache spares the database one read per request.
"""

from __future__ import annotations

import hmac
import re
from contextlib import suppress
from email.utils import formatdate
from hashlib import sha256
from math import inf
from pathlib import Path

from starlette.requests import Request

from ..kit.clock import Clock
from ..kit.crypto import write_private
from ..kit.errors import InvalidError, UnauthorizedError
from ..kit.ids import new_token
from ..kit.rest import Documents, Principal
from ..kit.store import Document, StoreUnavailableError, Update, eq
from .caches import CACHE_SECONDS
from .grants import principal_of_key
from .holders import Holders, gives_everything
from .rolebook import BuiltIn

PREFIX = "cckey"
SECRET_CHARACTERS = 120
SNIPPET_CHARACTERS = 5
CACHE_KEYS = 1_000
USE_SECONDS = 60
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="cloudcasa"'}
BOOTSTRAP_FILE = "bootstrap-key"
BOOTSTRAP_NAME = "bootstrap"

_KEY = re.compile(r"[A-Za-z0-9_-]{100,255}")


def new_key() -> str:
    """Return a new key, of characters that Rancher's form accepts."""
    return PREFIX + new_token(SECRET_CHARACTERS)


def key_hash(key: str) -> str:
    """Return what is stored of a key."""
    return sha256(key.encode("ascii")).hexdigest()


class ApiKeys:
    """Tells who calls; the Authenticator of the API."""

    def __init__(self, documents: Documents, *, clock: Clock) -> None:
        """Take the key documents and the clock."""
        self._documents = documents
        self._clock = clock
        self._cache: dict[str, tuple[float, Principal]] = {}
        self._generation = 0

    async def authenticate(self, request: Request, /) -> Principal:
        """Return the caller. Raises UnauthorizedError with a sentence that says what is wrong, not what would be right."""
        header = request.headers.get("authorization", "").strip()
        if not header:
            raise UnauthorizedError(
                'This needs an API key or a session. Sign in, or send the header "Authorization: Bearer <key>".', headers=CHALLENGE
            )
        scheme, _, key = header.partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not _KEY.fullmatch(key):
            raise UnauthorizedError(
                'The header "Authorization" must be "Bearer <key>", with an API key of 100 to 255 characters A-Z a-z 0-9 - _.',
                headers=CHALLENGE,
            )
        return await self._known(key_hash(key))

    async def _known(self, hashed: str) -> Principal:
        now = self._clock.monotonic()
        cached = self._cache.get(hashed)
        if cached is not None and now < cached[0]:
            return cached[1]
        self._cache.pop(hashed, None)
        generation = self._generation
        found = await self._documents.collection.find(eq("hashed_apikey", hashed), limit=1)
        if not found or not hmac.compare_digest(found[0]["hashed_apikey"], hashed):
            raise UnauthorizedError("This API key is not known. It may have been deleted.", headers=CHALLENGE)
        left = self._seconds_left(found[0])
        principal = await principal_of_key(found[0], store=self._documents.store)
        await self._note_use(found[0])
        if len(self._cache) >= CACHE_KEYS:
            self._cache.clear()
        if generation == self._generation:
            self._cache[hashed] = (now + min(CACHE_SECONDS, left), principal)
        return principal

    def _seconds_left(self, key: Document) -> float:
        """Return for how long the key is good. Raises UnauthorizedError when it has ended."""
        end = key.get("expires_at")
        if end is None:
            return inf
        left = float(end - self._clock.now().timestamp())
        if left <= 0:
            raise UnauthorizedError(f'The API key "{key["name"]}" ended at {formatdate(end, usegmt=True)}.', headers=CHALLENGE)
        return left

    async def _note_use(self, key: Document) -> None:
        """Remember when the key was used last, to the minute; its etag stays. A database that takes no writes is no reason to refuse a read."""
        now = self._clock.timestamp()
        if now - (key.get("last_used_at") or 0) >= USE_SECONDS:
            with suppress(StoreUnavailableError):
                await self._documents.collection.update(key["_id"], Update(set={"last_used_at": now}))

    def forget(self) -> None:
        """Forget who is known, and let nobody be remembered whom a lookup found before this."""
        self._generation += 1
        self._cache.clear()

    async def bootstrap(self, data_dir: Path) -> str | None:
        """Make the first key when nobody may do everything, and return it to be shown once; it is also in `data_dir`/bootstrap-key.

        The file is written first: a key that is stored but known to nobody would lock everyone out. Of two processes that start at once,
        both take the key of the file that came first, and one stores it.
        """
        if await Holders(self._documents.store).has_admin():
            return None
        key = _first_key(data_dir / BOOTSTRAP_FILE)
        stored = await self._documents.collection.find(eq("hashed_apikey", key_hash(key)), limit=1)
        if stored and gives_everything(stored[0]):
            return None
        if stored:
            key = _next_key(data_dir / BOOTSTRAP_FILE)
        document = self._documents.new({"name": await self._free_name(), "roles": [BuiltIn.ADMIN.value]}, user="")
        try:
            await self._documents.insert(document | stored_parts(key))
        except InvalidError:
            return None
        return key

    async def _free_name(self) -> str:
        is_taken = await self._documents.collection.count(eq("name", BOOTSTRAP_NAME))
        return f"{BOOTSTRAP_NAME}-{self._clock.timestamp()}" if is_taken else BOOTSTRAP_NAME


def _first_key(file: Path) -> str:
    """Return the key in the file, which is made when there is none or it holds no key."""
    with suppress(FileExistsError):
        write_private(file, f"{new_key()}\n".encode(), is_new=True)
    key = file.read_text("ascii", errors="replace").strip()
    return key if _KEY.fullmatch(key) else _next_key(file)


def _next_key(file: Path) -> str:
    """Return a new key, which takes the place of what is in the file."""
    key = new_key()
    write_private(file, f"{key}\n".encode())
    return key


def stored_parts(key: str) -> Document:
    """Return what a key's document says of the key."""
    return {"hashed_apikey": key_hash(key), "snippet": key[-SNIPPET_CHARACTERS:]}
