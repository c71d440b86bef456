"""The sqlite adapter: the shared suite, and what only a file can go through."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cloudcasa_server.kit.store import (
    And,
    Collection,
    Compare,
    In,
    Index,
    Not,
    Or,
    Query,
    Store,
    StoreError,
    StoreUnavailableError,
    Update,
    eq,
    open_store,
    sqlite,
)
from cloudcasa_server.kit.store.sqlite import SqliteStore
from cloudcasa_server.kit.store.sqlite_sql import compile_query

from tests.support.api import a_store
from tests.support.store_suite import StoreSuite


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = a_store(tmp_path)
    yield store
    await store.close()


class TestSqlite(StoreSuite):
    examples = 12


class TestSqliteWithIndexes(StoreSuite):
    """The same where indexes are declared on all that the suite asks about: then queries take other ways."""

    examples = 12

    @pytest.fixture
    async def collection(self, store: Store) -> Collection:
        name = f"t{secrets.token_hex(6)}"
        paths = [*("a", "b", "c", "é", "with space", "it's"), "a.b", "b.a", "a.0", "n", "g", "v", "k"]
        indexes = [Index(f"i{number}", ((path, 1), ("n", -1)), covers=("g",)) for number, path in enumerate(paths)]
        await store.sync_indexes({name: indexes})
        return store.collection(name)


async def test_a_declared_index_is_used(tmp_path: Path, store: Store) -> None:
    await store.sync_indexes({"jobs": [Index("state", (("status.state", 1), ("at", -1)))]})
    clause = compile_query(And((eq("status.state", "A"), Compare("at", "gt", 3))))
    file = sqlite3.connect(tmp_path / "test.db")
    file.create_function("cc_match", 2, lambda body, number: True)
    plan = file.execute(f'EXPLAIN QUERY PLAN SELECT body FROM "c_jobs" WHERE {clause.sql}', clause.parameters).fetchall()
    file.close()
    assert any("USING INDEX cc_jobs__state" in row[3] for row in plan), plan


COUNT_UP = """
import asyncio, sys
from pathlib import Path
from cloudcasa_server.kit.store import Update
from cloudcasa_server.kit.store import sqlite
from cloudcasa_server.kit.store.sqlite import SqliteStore

async def run():
    store = SqliteStore(Path(sys.argv[1]), synchronous="OFF")
    for _ in range(50):
        await store.collection("c").update("1", Update(increment={"n": 1}))
    await store.close()

asyncio.run(run())
"""


async def test_two_processes_on_one_file_lose_nothing(tmp_path: Path, store: Store) -> None:
    await store.collection("c").insert({"_id": "1", "n": 0})
    command = (sys.executable, "-c", COUNT_UP, str(tmp_path / "test.db"))
    processes = [await asyncio.create_subprocess_exec(*command) for _ in range(2)]
    assert [await process.wait() for process in processes] == [0, 0]
    assert (await store.collection("c").get("1") or {})["n"] == 100


async def test_a_damaged_file_is_unavailable_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"this is not a database" * 100)
    store = SqliteStore(tmp_path / "bad.db")
    with pytest.raises(StoreUnavailableError, match="damaged"):
        await store.ping()
    with pytest.raises(StoreUnavailableError, match="damaged"):
        await store.collection("c").insert({"_id": "1"})
    await store.close()


async def test_a_directory_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = SqliteStore(tmp_path / "file" / "x.db")
    with pytest.raises(StoreUnavailableError):
        await store.ping()
    await store.close()


async def test_a_full_disk_is_unavailable_and_changes_nothing(tmp_path: Path, store: Store) -> None:
    document = {"_id": "1", "v": 1}
    await store.collection("c").insert(document)
    assert isinstance(store, SqliteStore)
    await store.write(lambda connection: connection.run("PRAGMA max_page_count=10"))
    with pytest.raises(StoreUnavailableError, match="full"):
        await store.collection("c").update("1", Update(set={"v": "x" * 200_000}))
    assert await store.collection("c").get("1") == document


async def test_a_closed_store_is_unavailable(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    await store.ping()
    await store.close()
    with pytest.raises(StoreUnavailableError):
        await store.ping()


async def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    first = open_store(None, data_dir=tmp_path)
    await first.collection("c").insert({"_id": "1", "v": 1})
    await first.close()
    second = open_store(f"sqlite://{tmp_path}/cloudcasa.db", data_dir=Path("/nowhere"))
    assert await second.collection("c").get("1") == {"_id": "1", "v": 1}
    await second.close()


def test_an_unknown_scheme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="postgres"):
        open_store("postgres://x", data_dir=tmp_path)


async def test_a_read_that_would_not_end_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.collection("c").insert({"_id": "1"})
    monkeypatch.setattr(sqlite, "_PROGRESS_STEPS", 1)
    monkeypatch.setattr(sqlite, "READ_SECONDS", 0.0)
    with pytest.raises(StoreUnavailableError, match=r"took longer than 0 s\. Filter and sort by indexed fields"):
        await store.collection("c").find(sort=[("a", 1)])
    monkeypatch.undo()
    assert await store.collection("c").count() == 1


@pytest.mark.parametrize("word", [And, Or], ids=["and", "or"])
async def test_a_query_that_is_too_deep_is_refused_before_the_database(store: Store, word: type[And | Or]) -> None:
    query: Query = eq("a", 1)
    for _ in range(2_000):
        query = Not(word((query,)))
    with pytest.raises(StoreError, match="nested more than 40 levels"):
        await store.collection("c").find(query)


async def test_a_query_of_too_many_values_is_refused_before_the_database(store: Store) -> None:
    await store.collection("c").insert({"_id": "1", "a": 28_999})
    assert await store.collection("c").count(In("a", tuple(range(29_000)))) == 1
    with pytest.raises(StoreError, match="values; 30000 are possible"):
        await store.collection("c").count(In("a", tuple(range(30_001))))


@pytest.mark.parametrize("word", [And, Or], ids=["and", "or"])
async def test_a_thousand_conditions_side_by_side_are_answered(store: Store, word: type[And | Or]) -> None:
    await store.collection("c").insert({"_id": "1", "a": 1})
    parts = tuple(eq("a", 1) for _ in range(1_000))
    assert await store.collection("c").count(word(parts)) == 1
