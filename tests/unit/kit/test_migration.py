"""Bringing a database up to date, on the embedded adapter; and what does not depend on the adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cloudcasa_server.kit.clock import SystemClock
from cloudcasa_server.kit.migration import Migrator
from cloudcasa_server.kit.store import Store, StoreUnavailableError, wait_until_reachable
from cloudcasa_server.migrations import MIGRATIONS
from structlog.testing import capture_logs

from tests.support.api import a_store
from tests.support.clock import FakeClock
from tests.support.migration_suite import NAMED, NUMBERS, MigrationSuite, finished


@pytest.fixture
async def another(tmp_path: Path) -> AsyncIterator[Callable[[], Store]]:
    opened: list[Store] = []

    def open_again() -> Store:
        opened.append(a_store(tmp_path))
        return opened[-1]

    yield open_again
    for store in opened:
        await store.close()


@pytest.fixture
def store(another: Callable[[], Store]) -> Store:
    return another()


class TestSqlite(MigrationSuite):
    """All of the suite."""


@pytest.mark.parametrize("wrong", [(NAMED,), (NUMBERS, NUMBERS), (NAMED, NUMBERS)], ids=["gap", "twice", "order"])
def test_migrations_that_are_not_numbered_in_order_are_a_mistake(store, wrong):
    with pytest.raises(ValueError, match="numbered from 1 without gaps"):
        Migrator(store=store, clock=SystemClock(), migrations=wrong, indexes={}, lease_seconds=30)


def test_our_migrations_are_numbered_from_1_without_gaps(store):
    Migrator(store=store, clock=SystemClock(), migrations=MIGRATIONS, indexes={}, lease_seconds=30)


class Away:
    """A store of which only the answer to a ping is asked."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)

    async def ping(self) -> None:
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer


async def waiting(store, *, timeout_seconds=120.0):
    clock = FakeClock()
    await finished(asyncio.create_task(wait_until_reachable(store, clock=clock, timeout_seconds=timeout_seconds)), clock)


async def test_a_start_waits_for_a_database_that_comes_later_and_says_so():
    with capture_logs() as told:
        await waiting(Away(*[StoreUnavailableError("nobody answers")] * 3, None))
    assert [one["event"] for one in told].count("The database is reached") == 1
    assert told[0] | {"seconds_left": 0} == {
        "event": "The database cannot be reached; waiting for it",
        "log_level": "warning",
        "reason": "nobody answers",
        "seconds_left": 0,
    }


async def test_a_start_gives_up_when_its_time_is_over():
    with pytest.raises(StoreUnavailableError, match="nobody answers"):
        await waiting(Away(*[StoreUnavailableError("nobody answers")] * 9), timeout_seconds=5)


async def test_a_start_does_not_wait_for_what_will_not_mend_itself():
    with pytest.raises(StoreUnavailableError, match="no permission"):
        await waiting(Away(StoreUnavailableError("no permission", is_lasting=True)))
