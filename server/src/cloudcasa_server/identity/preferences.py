"""A person's own small things: how the UI looks to them. One document a user, in the collection `userstates`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from ..kit.errors import InvalidError
from ..kit.rest import merged
from ..kit.store import Document, DuplicateKeyError, Store, Update, eq

COLLECTION = "userstates"
MAX_BYTES = 16_384
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Preferences:
    """Reads and changes them."""

    store: Store

    async def of(self, user_id: str) -> dict[str, Any]:
        """Return a user's preferences."""
        found = await self.store.collection(COLLECTION).get(user_id)
        return dict(found["preferences"]) if found else {}

    async def merge(self, user_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Merge changes, object by object; null takes a key away. Return what is there after."""
        for _ in range(_ATTEMPTS):
            old = await self.store.collection(COLLECTION).get(user_id)
            wanted: dict[str, Any] = without_nulls(merged(old["preferences"] if old else {}, changes))
            if len(orjson.dumps(wanted)) > MAX_BYTES:
                text = f"Preferences may take {MAX_BYTES} bytes in all. Drop some: send null for what is not needed any more."
                raise InvalidError(text, issues={"preferences": text})
            if await self._put(user_id, old, wanted):
                return wanted
        raise InvalidError("Your preferences are being changed by another window at the same time. Try again.")

    async def _put(self, user_id: str, old: Document | None, preferences: dict[str, Any]) -> bool:
        collection = self.store.collection(COLLECTION)
        if old is None:
            try:
                await collection.insert({"_id": user_id, "preferences": preferences, "version": 1})
            except DuplicateKeyError:
                return False
            return True
        change = Update(set={"preferences": preferences}, increment={"version": 1})
        return await collection.update(user_id, change, expected=eq("version", old["version"])) is not None


def without_nulls(value: Any) -> Any:
    """Return the value without what was taken away."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return value
