"""What bringing a database up to date must do on every adapter. Subclass MigrationSuite where `another` opens the same database once more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from cloudcasa_server.kit import migration as migrating
from cloudcasa_server.kit.clock import Clock, SystemClock
from cloudcasa_server.kit.ids import new_id
from cloudcasa_server.kit.migration import Migration, Migrator, NewerDatabaseError
from cloudcasa_server.kit.store import Collection, Document, Index, Store, Update
from structlog.testing import capture_logs

from .clock import FakeClock

Another = Callable[[], Store]
NAME = Index("name", (("name", 1),), unique=True)


def to_number(document: Document) -> Update | None:
    """Turn the text in `n` into a number: a change that would fail or spoil if it were done twice."""
    return Update(set={"n": int(document["n"]), "times": document.get("times", 0) + 1}) if isinstance(document["n"], str) else None


NUMBERS = Migration(1, "Make n a number", "things", to_number)
NAMED = Migration(2, "Give things a name", "things", lambda one: None if "name" in one else Update(set={"name": f"thing {one['n']}"}))


def a_migrator(
    store: Store, *, known: int = 2, clock: Clock | None = None, change: Callable[[Document], Update | None] = to_number
) -> Migrator:
    """Return a replica's migrator that knows the first `known` migrations."""
    first = Migration(1, NUMBERS.name, NUMBERS.collection, change)
    return Migrator(
        store=store, clock=clock or SystemClock(), migrations=(first, NAMED)[:known], indexes={"things": (NAME,)}, lease_seconds=30.0
    )


async def old_things(store: Store, count: int = 7) -> Collection:
    """Store documents of the old form."""
    things = store.collection("things")
    for number in range(count):
        await things.insert({"_id": new_id(), "n": str(number)})
    return things


async def forms(store: Store) -> Sequence[Mapping[str, Any]]:
    """Return what is stored, without ids, in order."""
    found = await store.collection("things").find(sort=(("n", 1),))
    return [{key: one[key] for key in one if key != "_id"} for one in found]


def new_form(count: int = 7) -> list[dict[str, Any]]:
    return [{"n": number, "times": 1, "name": f"thing {number}"} for number in range(count)]


async def finished(task: asyncio.Task[None], clock: FakeClock) -> None:
    """Let time pass until the task is done. MongoDB's stand-in builds indexes in the background, and tries again after a minute when it was held up."""
    async with asyncio.timeout(150):
        while not task.done():
            await clock.advance(5)
            await asyncio.sleep(0.01)
    await task


class MigrationSuite:
    """The tests."""

    @pytest.fixture(autouse=True)
    def small_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(migrating, "BATCH", 2)

    async def test_an_old_database_is_brought_to_the_newest_form_and_indexed(self, store: Store) -> None:
        await old_things(store)
        await a_migrator(store).run()
        assert await forms(store) == new_form()
        state = await store.collection(migrating.COLLECTION).get(migrating.STATE_ID)
        assert state is not None
        assert (state["version"], state["cursor"], state["lease"]["owner"]) == (2, "", "")

    async def test_a_second_start_changes_nothing(self, store: Store) -> None:
        await old_things(store)
        await a_migrator(store).run()
        before = await store.collection("things").find()
        await a_migrator(store).run()
        assert await store.collection("things").find() == before

    async def test_of_several_replicas_that_start_at_once_each_document_is_changed_once(self, store: Store, another: Another) -> None:
        await old_things(store, 40)
        await asyncio.gather(*(a_migrator(one).run() for one in (store, another(), another(), another())))
        assert await forms(store) == new_form(40)

    async def test_a_replica_that_waits_says_so_and_for_whom(
        self, store: Store, another: Another, capsys: pytest.CaptureFixture[str]
    ) -> None:
        clock = FakeClock()
        first = a_migrator(store, clock=clock)
        first.name = "replica-one"
        await first._state()
        assert await first._claim() is not None
        with capture_logs() as told:
            waiting = asyncio.create_task(a_migrator(another(), clock=clock).run())
            async with asyncio.timeout(60):
                while not told:
                    await asyncio.sleep(0.01)
        assert [(one["event"], one["replica"]) for one in told] == [
            ("Waiting for another replica, which is bringing the database up to date", "replica-one")
        ]
        assert await first._work(await first._state())
        await finished(waiting, clock)

    async def test_a_migrator_that_was_killed_is_taken_over_where_it_was(self, store: Store, another: Another) -> None:
        await old_things(store)
        clock = FakeClock()
        looked_at: list[str] = []

        def dies(document: Document) -> Update | None:
            if len(looked_at) == 5:
                raise SystemError("killed")
            looked_at.append(document["n"])
            return to_number(document)

        with pytest.raises(SystemError):
            await a_migrator(store, clock=clock, change=dies).run()
        looked_at.clear()

        def notes(document: Document) -> Update | None:
            looked_at.append(document["n"])
            return to_number(document)

        heir = asyncio.create_task(a_migrator(another(), clock=clock, change=notes).run())
        await finished(heir, clock)
        assert await forms(store) == new_form()
        assert [str(one) for one in looked_at] == ["4", "5", "6"]

    async def test_one_that_lost_its_lease_records_nothing_more(self, store: Store, another: Another) -> None:
        await old_things(store)
        slow = a_migrator(store)
        await slow._state()
        state = await slow._claim()
        assert state is not None
        lost = Update(set={"lease": {"owner": "", "name": "", "until": 0.0}})
        await store.collection(migrating.COLLECTION).update(migrating.STATE_ID, lost)
        await a_migrator(another()).run()
        assert await slow._work(state) is False
        assert await forms(store) == new_form()

    async def test_a_document_that_others_change_meanwhile_keeps_their_change(self, store: Store) -> None:
        things = await old_things(store, 1)
        ids = [one["_id"] for one in await things.find()]
        read = await things.get(ids[0])
        assert read is not None
        await things.update(ids[0], Update(set={"n": "70"}))
        assert await migrating._convert(things, NUMBERS, read) is True
        assert await forms(store) == [{"n": 70, "times": 1}]

    async def test_a_newer_database_is_refused_with_a_sentence(self, store: Store) -> None:
        await a_migrator(store).run()
        with pytest.raises(NewerDatabaseError, match=r"at version 2, and this server knows versions up to 1.*restore the database"):
            await a_migrator(store, known=1).run()

    async def test_documents_made_after_the_index_was_declared_are_held_to_it(self, store: Store) -> None:
        await old_things(store, 2)
        await a_migrator(store).run()
        assert await store.collection("things").count() == 2
        with pytest.raises(Exception, match="unique index name"):
            await store.collection("things").insert({"_id": new_id(), "name": "thing 1"})
