"""The MongoDB adapter on a real MongoDB-compatible database (CLOUDCASA_TEST_MONGO_URL or the lab's FerretDB v2)."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit, urlunsplit

import pytest
from cloudcasa_server.kit.store import Query, Store, StoreUnavailableError
from cloudcasa_server.kit.store.mongo import MongoStore

from tests.support.migration_suite import MigrationSuite
from tests.support.store_suite import StoreSuite


@pytest.fixture
async def store(mongo_url: str) -> AsyncIterator[MongoStore]:
    database = f"cc_test_{secrets.token_hex(4)}"
    store = MongoStore(urlunsplit(urlsplit(mongo_url)._replace(path=f"/{database}")))
    yield store
    await store._client.drop_database(database)
    await store.close()


@pytest.fixture
async def another(store: MongoStore, mongo_url: str) -> AsyncIterator[Callable[[], Store]]:
    opened: list[MongoStore] = []

    def open_again() -> Store:
        opened.append(MongoStore(urlunsplit(urlsplit(mongo_url)._replace(path=f"/{store._database.name}"))))
        return opened[-1]

    yield open_again
    for one in opened:
        await one.close()


class TestMongo(StoreSuite):
    examples = 20

    def is_beyond(self, query: Query) -> bool:
        # DocumentDB 1.0 does not look into an array that it finds at a position of another: {"c": [[5]]} is not found by {"c.0": 5}.
        return re.search(r"path='[^']*\b\d", repr(query)) is not None


class TestMigrations(MigrationSuite):
    """All of the suite."""


async def test_a_database_that_is_away_is_unavailable_within_the_deadline() -> None:
    store = MongoStore("mongodb://127.0.0.1:9/x?serverSelectionTimeoutMS=500")
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        await store.ping()
    assert time.monotonic() - started < 9
    await store.close()
