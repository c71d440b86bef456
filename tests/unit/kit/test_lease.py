"""The lease of a leader, and what it remembers of the time."""

from __future__ import annotations

import pytest
from cloudcasa_server.kit.lease import Lease

from tests.support.api import a_store
from tests.support.clock import FakeClock


@pytest.fixture
async def store(tmp_path):
    store = a_store(tmp_path)
    yield store
    await store.close()


async def test_set_back_clock_is_told_until_somebody_has_dealt_with_it(store):
    """A leader may die in the middle of it, or lose its database."""
    clock = FakeClock()
    first, second = (Lease(store, clock, name="x", seconds=30) for _ in range(2))
    assert (await first.hold()).seconds_back == 0
    clock.tick(-3600)
    assert (await first.hold()).seconds_back == 3600
    clock.tick(10)
    assert (await first.hold()).seconds_back == 3590
    await first.release()
    assert (await second.hold()).seconds_back == 3590
    await second.believe_clock()
    assert (await second.hold()).seconds_back == 0


async def test_only_one_holds_it_and_who_gives_it_back_lets_the_other_in(store):
    clock = FakeClock()
    first, second = (Lease(store, clock, name="x", seconds=30) for _ in range(2))
    assert (await first.hold(), await second.hold()) != (None, None)
    assert await second.hold() is None
    clock.tick(31)
    assert await second.hold() is not None
    assert await first.hold() is None
    await second.release()
    assert await first.hold() is not None
