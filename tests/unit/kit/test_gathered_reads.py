"""Reads by id that go out together: each sees what was written before it, and gets a document of its own."""

from __future__ import annotations

import asyncio

import pytest
from cloudcasa_server.kit.store import StoreUnavailableError
from cloudcasa_server.kit.store.gathered import MAX_IDS, PARALLEL, Gathered


class Shelf:
    """A database whose calls a test lets through one by one."""

    def __init__(self) -> None:
        self.documents = {str(number): {"_id": str(number), "list": [number]} for number in range(500)}
        self.calls = []
        self.gates = []

    async def fetch(self, ids):
        self.calls.append(tuple(ids))
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        await gate
        return [self.documents[one] for one in ids if one in self.documents]

    def open(self):
        """Let every call that was made so far through."""
        for gate in self.gates:
            if not gate.done():
                gate.set_result(None)

    async def asked(self, calls):
        async with asyncio.timeout(5):
            while len(self.calls) < calls:
                await asyncio.sleep(0)


def reading(gathered, *ids):
    return [asyncio.ensure_future(gathered.get(one)) for one in ids]


async def test_reads_that_arrive_while_others_are_under_way_go_out_in_one_call():
    shelf = Shelf()
    gathered = Gathered(shelf.fetch)
    first = reading(gathered, *[str(number) for number in range(PARALLEL)])
    await shelf.asked(PARALLEL)
    later = reading(gathered, "7", "8", "missing", "9")
    await asyncio.sleep(0)
    assert shelf.calls == [(str(number),) for number in range(PARALLEL)]
    shelf.open()
    await shelf.asked(PARALLEL + 1)
    shelf.open()
    assert shelf.calls[-1] == ("7", "8", "missing", "9")
    assert [one and one["_id"] for one in await asyncio.gather(*first, *later)] == ["0", "1", "7", "8", None, "9"]


async def test_two_readers_of_one_document_do_not_share_it():
    shelf = Shelf()
    gathered = Gathered(shelf.fetch)
    blocking = reading(gathered, *[str(number) for number in range(PARALLEL)])
    await shelf.asked(PARALLEL)
    both = reading(gathered, "7", "7")
    await asyncio.sleep(0)
    shelf.open()
    await shelf.asked(PARALLEL + 1)
    shelf.open()
    one, other = await asyncio.gather(*both)
    one["list"].append("mine")
    assert other == {"_id": "7", "list": [7]}
    await asyncio.gather(*blocking)


async def test_trouble_reaches_everyone_who_waits_and_nobody_after():
    calls = []

    async def fetch(ids):
        calls.append(ids)
        if len(calls) == 1:
            raise StoreUnavailableError("away")
        return [{"_id": one} for one in ids]

    gathered = Gathered(fetch)
    with pytest.raises(StoreUnavailableError):
        await gathered.get("1")
    assert await gathered.get("1") == {"_id": "1"}


async def test_a_reader_that_gives_up_disturbs_no_other():
    shelf = Shelf()
    gathered = Gathered(shelf.fetch)
    gone, stays = reading(gathered, "1", "1")
    await shelf.asked(1)
    gone.cancel()
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while not stays.done():
            shelf.open()
            await asyncio.sleep(0)
    assert (await stays)["_id"] == "1"
    assert gone.cancelled()


async def test_one_call_asks_for_a_bounded_number():
    shelf = Shelf()
    gathered = Gathered(shelf.fetch)
    blocking = reading(gathered, *[str(number) for number in range(PARALLEL)])
    await shelf.asked(PARALLEL)
    many = reading(gathered, *[str(number) for number in range(3 * MAX_IDS)])
    done = asyncio.gather(*blocking, *many)
    async with asyncio.timeout(10):
        while not done.done():
            shelf.open()
            await asyncio.sleep(0)
    assert max(len(call) for call in shelf.calls) == MAX_IDS
    assert len(await done) == PARALLEL + 3 * MAX_IDS
