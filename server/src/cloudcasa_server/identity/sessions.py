"""Sessions of people: an opaque random token, of which only the hash is stored (ADR 0018).

A session ends when it is idle, when its time is over, when its owner or an administrator ends it, and at once when its user is disabled, deleted or
changes the password: each user has an epoch, each session remembers that of its login, and a session of another epoch is none. Nothing is
cached, so this holds for every replica. Found by hash through a unique index; 256 random bits need no slow hash.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256

from ..kit.clock import Clock
from ..kit.errors import UnauthorizedError
from ..kit.ids import new_id, new_token
from ..kit.rest import Principal
from ..kit.store import And, Compare, Document, Index, Or, Store, Update, eq

COLLECTION = "sessions"
INDEXES = (
    Index("unique_token_hash", (("token_hash", 1),), unique=True),
    Index("user", (("user", 1), ("created_at", -1))),
    Index("expires_at", (("expires_at", 1),)),
    Index("seen_at", (("seen_at", 1),)),
)
PREFIX = "ccsession_"
"""Tells a session's token from an API key."""
MAX_OF_ONE_USER = 50
"""The oldest goes when one more comes."""
SEEN_SECONDS = 60
"""How exact the time of the last request is: it is written that often."""
MAX_AGENT = 200
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="cloudcasa"'}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a login comes from, for the list of one's sessions."""

    address: str
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is good, and whose it is."""

    document: Document
    user: Document
    principal: Principal

    @property
    def id(self) -> str:
        """Return the session's id, which is no secret."""
        return str(self.document["_id"])


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens, knows and ends sessions."""

    store: Store
    clock: Clock
    principal_of: Callable[[Document], Awaitable[Principal]]
    idle_seconds: int
    lifetime_seconds: int

    async def open(self, user: Document, *, method: str, origin: Origin) -> tuple[str, Document]:
        """Make a session of a user who has just shown who that is, as the user document said then; return its token, once."""
        token, now = PREFIX + new_token(), self.clock.timestamp()
        session: Document = {
            "_id": new_id(),
            "token_hash": _hash(token),
            "user": user["_id"],
            "epoch": user.get("epoch", 0),
            "method": method,
            "address": origin.address,
            "agent": origin.agent[:MAX_AGENT],
            "created_at": now,
            "seen_at": now,
            "expires_at": now + self.lifetime_seconds,
        }
        await self.store.collection(COLLECTION).insert(session)
        await self._drop_surplus(user["_id"])
        return token, session

    async def _drop_surplus(self, user_id: str) -> None:
        collection = self.store.collection(COLLECTION)
        for session in await collection.find(eq("user", user_id), sort=(("created_at", -1),), skip=MAX_OF_ONE_USER, limit=MAX_OF_ONE_USER):
            await collection.delete(session["_id"])

    async def authenticate(self, token: str) -> Session:
        """Return the session of a token. Raises UnauthorizedError."""
        collection = self.store.collection(COLLECTION)
        found = await collection.find(eq("token_hash", _hash(token)), limit=1)
        session = found[0] if found else None
        if session is None or not self._is_alive(session):
            raise _over()
        user = await self.store.collection("users").get(session["user"])
        if user is None or user.get("disabled") or user.get("epoch", 0) != session["epoch"]:
            await collection.delete(session["_id"])
            raise _over()
        now = self.clock.timestamp()
        if now - session["seen_at"] >= SEEN_SECONDS:
            await collection.update(session["_id"], Update(set={"seen_at": now}))
        return Session(session, user, await self.principal_of(user))

    def _is_alive(self, session: Document) -> bool:
        now = self.clock.timestamp()
        return bool(now < session["expires_at"] and now < session["seen_at"] + self.idle_seconds)

    def expiry(self, session: Document) -> int:
        """Return when the session ends if nothing more is asked."""
        return int(min(session["expires_at"], session["seen_at"] + self.idle_seconds))

    async def of_user(self, user: Document) -> list[Document]:
        """Return a user's good sessions, newest first, without what is secret."""
        query = And((eq("user", user["_id"]), eq("epoch", user.get("epoch", 0))))
        found = await self.store.collection(COLLECTION).find(query, sort=(("created_at", -1),), limit=MAX_OF_ONE_USER)
        return [session for session in found if self._is_alive(session)]

    async def end(self, session_id: str, *, user_id: str) -> bool:
        """End one session of a user; tell whether there was one."""
        return await self.store.collection(COLLECTION).delete(session_id, expected=eq("user", user_id))

    async def end_all(self, user_id: str) -> None:
        """Drop a user's sessions. The epoch is what makes them void; this is to keep none."""
        await self.store.collection(COLLECTION).delete_many(eq("user", user_id))

    async def prune(self) -> None:
        """Drop what is over."""
        now = self.clock.timestamp()
        over = Or((Compare("expires_at", "lte", now), Compare("seen_at", "lte", now - self.idle_seconds)))
        await self.store.collection(COLLECTION).delete_many(over)


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _over() -> UnauthorizedError:
    return UnauthorizedError("Your session is over. Sign in again.", headers=CHALLENGE)
