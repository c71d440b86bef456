"""Bringing alerts to channels. Whoever raises an alert marks it untold in the same write; what follows may be done again after a crash.

Two steps. Addressing: an untold alert becomes one delivery for each channel that wants it, then its mark goes. Delivering: one server at a time
works through a channel's deliveries, oldest first, several in one message where its kind can. A channel that fails is tried again later and
later, as a whole, so a dead one costs one request at a time; what nobody took within a day is given up and stays to be seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from ..alert.model import COLLECTION as ALERTS
from ..alert.model import UNTOLD
from ..kit.errors import InvalidError
from ..kit.ids import new_id
from ..kit.rest import Documents
from ..kit.store import And, Collection, Compare, Document, Not, Update, eq
from .backoff import next_try
from .model import is_wanted, told_of
from .senders import Batch, Sender, SendError

log = structlog.get_logger(__name__)

GATHER_SECONDS = 3.0
"""How long the first of several alerts waits for the others."""
LEASE_SECONDS = 120.0
"""Longer than any message takes."""
GIVE_UP_SECONDS = 86_400.0
KEPT_SECONDS = 30 * 86_400
_BATCH = 100
_MESSAGES = 20
"""Of one channel in one pass, before it looks whether it is still there and wanted."""


@dataclass(frozen=True, slots=True)
class Notifications:
    """The channels, and what is on the way to them."""

    channels: Documents
    deliveries: Documents
    senders: Mapping[str, Sender]

    def _now(self) -> float:
        return self.channels.clock.now().timestamp()

    @property
    def _alerts(self) -> Collection:
        return self.channels.store.collection(ALERTS)

    async def sweep(self) -> None:
        """Address what is untold and deliver what is due."""
        await self._address()
        async with asyncio.TaskGroup() as tasks:
            while channel := await self._claim():
                tasks.create_task(self._work(channel))

    async def prune(self) -> None:
        """Drop deliveries that ended long ago."""
        is_old = Compare("_created", "lt", int(self._now() - KEPT_SECONDS))
        await self.deliveries.collection.delete_many(And((Not(eq("state", "PENDING")), is_old)))

    async def test(self, channel: Document, /) -> None:
        """Send a message that says that it is a test. Raises SendError."""
        event = {
            "id": new_id(),
            "raised_at": int(self._now()),
            "type": "TEST",
            "name": f'Test of the notification channel "{channel["name"]}"',
            "description": "Somebody asked for this message. No alert was raised.",
        }
        left_out = await self._send(channel, [{"_id": event["id"], "event": event}])
        await self._succeeded(channel, left_out)

    async def _address(self) -> None:
        untold = await self._alerts.find(eq(UNTOLD, True), sort=(("_created", 1),), limit=_BATCH)
        if not untold:
            return
        channels = await self.channels.collection.find(eq("enabled", True))
        for alert in untold:
            for channel in channels:
                if is_wanted(channel, alert):
                    await self._put(channel, alert)
            await self._alerts.update(alert["_id"], Update(unset=(UNTOLD,)))

    async def _put(self, channel: Document, alert: Document) -> None:
        fields = {"channel": channel["_id"], "channel_name": channel["name"], "alert": alert["_id"], "event": told_of(alert)}
        try:
            await self.deliveries.insert(self.deliveries.new({**fields, "state": "PENDING", "message": "", "attempts": 0}))
        except InvalidError:
            return  # addressed already
        rings = self.channels.collection
        await rings.update(channel["_id"], Update(increment={"work.rings": 1}))
        due = Update(set={"work.due_at": self._now() + GATHER_SECONDS})
        await rings.update(channel["_id"], due, expected=eq("work.due_at", None))

    async def _claim(self) -> Document | None:
        now = self._now()
        is_due = And((eq("enabled", True), Compare("work.due_at", "lte", now), Compare("work.lease_until", "lte", now)))
        lease = Update(set={"work.lease_until": now + LEASE_SECONDS})
        return await self.channels.collection.claim(is_due, lease, sort=(("work.due_at", 1),))

    async def _work(self, channel: Document) -> None:
        """Deliver what waits; let go of the channel in any case, with the time of its next turn."""
        due_at: float | None = self._now()
        rings = channel["work"]["rings"]
        try:
            for _ in range(_MESSAGES):
                waiting = await self._waiting(channel)
                if not waiting:
                    due_at = None
                    break
                left_out = await self._send(channel, waiting)
                await self._delivered(waiting)
                await self._succeeded(channel, left_out)
        except SendError as error:
            due_at = await self._failed(channel, waiting, error)
        finally:
            await self._let_go(channel["_id"], due_at=due_at, rings=rings)

    async def _waiting(self, channel: Document) -> list[Document]:
        limit = self.senders[channel["kind"]].max_batch
        mine = And((eq("channel", channel["_id"]), eq("state", "PENDING")))
        found = await self.deliveries.collection.find(mine, sort=(("_created", 1), ("_id", 1)), limit=limit)
        too_old = [one for one in found if one["_created"] < self._now() - GIVE_UP_SECONDS]
        for one in too_old:
            log.warning("A notification was given up", channel=channel["_id"], alert=one["alert"], reason=one["message"])
            text = f"Given up after a day. {one['message'] or 'The channel was not enabled.'}"
            await self.deliveries.set(one["_id"], {"state": "FAILED", "message": text})
        return await self._waiting(channel) if too_old else found

    async def _send(self, channel: Document, waiting: Sequence[Document]) -> str:
        clear = self.channels.reveal(channel)
        batch = Batch(message_id=f"msg_{waiting[0]['_id']}", channel=clear, events=[one["event"] for one in waiting])
        try:
            return await self.senders[channel["kind"]].send(batch)
        except TimeoutError as e:
            raise SendError("It took too long.") from e

    async def _delivered(self, waiting: Sequence[Document]) -> None:
        for one in waiting:
            done: dict[str, Any] = {"state": "DELIVERED", "message": "", "delivered_at": int(self._now())}
            await self.deliveries.set(one["_id"], {**done, "attempts": one["attempts"] + 1})

    async def _succeeded(self, channel: Document, left_out: str) -> None:
        told: dict[str, Any] = {"status.state": "OK", "status.message": left_out, "status.last_delivered_at": int(self._now())}
        await self.channels.set(channel["_id"], {**told, "work.failures": 0})

    async def _failed(self, channel: Document, waiting: Sequence[Document], error: SendError) -> float:
        """Say so on the channel and its deliveries; return when to try again."""
        for one in waiting:
            await self.deliveries.set(one["_id"], {"message": error.text, "attempts": one["attempts"] + 1})
        current = await self.channels.find(channel["_id"]) or channel
        failures = current["work"]["failures"] + 1
        log.warning("A notification channel failed", channel=channel["_id"], failures=failures, reason=error.text)
        due_at = self._now() + max(next_try(failures), error.retry_after_seconds)
        told: dict[str, Any] = {"status.state": "FAILING", "status.message": error.text, "work.failures": failures}
        await self.channels.set(channel["_id"], {**told, "status.next_try_at": int(due_at)})
        return due_at

    async def _let_go(self, channel_id: str, *, due_at: float | None, rings: int) -> None:
        """Rest only if nothing was addressed meanwhile: who addresses rings first, and wakes only a channel that rests."""
        channels = self.channels.collection
        free = {"work.lease_until": 0.0}
        if due_at is None:
            rested = await channels.update(channel_id, Update(set=free | {"work.due_at": None}), expected=eq("work.rings", rings))
            if rested is not None:
                return
        await channels.update(channel_id, Update(set=free | {"work.due_at": due_at or self._now()}))
