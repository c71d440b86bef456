"""What every adapter of the store port must do. Subclass StoreSuite where a `store` fixture gives an empty store with its own names.

The heart is `test_finds_exactly_what_the_reference_finds`: random documents and random query trees against query_reference.py.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from cloudcasa_server.kit.ids import new_id
from cloudcasa_server.kit.store import (
    ALL,
    And,
    Collection,
    Compare,
    DuplicateKeyError,
    ElemMatch,
    Exists,
    In,
    Index,
    Not,
    Or,
    Prefix,
    Query,
    Size,
    Store,
    StoreError,
    Update,
    eq,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .query_reference import expected

KEYS = st.sampled_from(["a", "b", "c", "é", "with space", "it's"])
TEXT = st.sampled_from(["", "a", "ab", "abc", "b", "B", "1", "é", "😀", "it's", '"', "\\", "null", "A" * 20])
NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, -0.5, 1.0, 2.0, 2**31, 2**53, -(2**62)]))
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT)
VALUES = st.recursive(PLAIN, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)), max_leaves=6)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)
PATHS = st.lists(st.one_of(KEYS, KEYS, st.sampled_from(["0", "1"])), min_size=1, max_size=3).map(".".join)
FIRST_PATHS = st.tuples(KEYS, st.one_of(st.just(""), PATHS)).map(lambda pair: ".".join(part for part in pair if part))
ORDERED = st.one_of(NUMBERS, TEXT, st.none(), st.booleans())
DICTIONARIES = st.dictionaries(KEYS, PLAIN, max_size=2)


def leaves(paths: st.SearchStrategy[str]) -> st.SearchStrategy[Query]:
    """Return one condition on a path."""
    return st.one_of(
        st.builds(Compare, paths, st.sampled_from(["eq", "ne"]), st.one_of(PLAIN, DICTIONARIES, st.lists(PLAIN, min_size=1, max_size=2))),
        st.builds(Compare, paths, st.sampled_from(["lt", "lte", "gt", "gte"]), ORDERED),
        st.builds(In, paths, st.lists(st.one_of(PLAIN, DICTIONARIES), max_size=3).map(tuple)),
        st.builds(Exists, paths, st.booleans()),
        st.builds(Size, paths, st.integers(0, 3)),
        st.builds(Prefix, paths, TEXT),
        st.builds(ElemMatch, paths, st.builds(Compare, KEYS, st.sampled_from(["eq", "gt", "lt"]), st.one_of(NUMBERS, TEXT))),
        st.builds(ElemMatch, paths, st.builds(Compare, st.just(""), st.sampled_from(["eq", "gt", "lt"]), st.one_of(NUMBERS, TEXT))),
        st.builds(ElemMatch, paths, st.builds(Not, st.builds(In, st.just(""), st.lists(st.one_of(NUMBERS, TEXT), max_size=3).map(tuple)))),
    )


QUERIES = st.recursive(
    leaves(FIRST_PATHS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple).map(And), st.lists(inner, max_size=3).map(tuple).map(Or), st.builds(Not, inner)
    ),
    max_leaves=5,
)


async def _fill(collection: Collection, documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    stored = [{"_id": new_id(), **document} for document in documents]
    for document in stored:
        await collection.insert(document)
    return stored


class StoreSuite:
    """The tests."""

    @pytest.fixture
    def collection(self, store: Store) -> Collection:
        return store.collection(f"t{secrets.token_hex(6)}")

    async def test_insert_and_get_give_back_what_was_stored(self, collection: Collection) -> None:
        document = {
            "_id": new_id(),
            "z": 1,
            "a": {"y": [1, 2.5, None, True, "é", {"k.d": "$"}], "b": {}},
            "e": [],
            "n": 2**62,
            "q\"'\\": 'x"',
        }
        await collection.insert(document)
        found = await collection.get(str(document["_id"]))
        assert found == document
        assert list(found or {}) == list(document)
        assert await collection.get("x") is None

    async def test_find_sorts_skips_limits_and_projects(self, collection: Collection) -> None:
        await _fill(collection, [{"n": n, "g": n % 2, "x": {"y": n, "z": [{"p": 1, "q": 2}]}} for n in range(6)])
        found = await collection.find(sort=[("g", 1), ("n", -1)], skip=1, limit=3, projection={"n": True, "x.z.p": True})
        assert [(one["n"], one["x"]) for one in found] == [(n, {"z": [{"p": 1}]}) for n in (2, 0, 5)]
        without = await collection.find(eq("n", 1), projection={"x.z.p": False, "g": False})
        assert [{key: one[key] for key in one if key != "_id"} for one in without] == [{"n": 1, "x": {"y": 1, "z": [{"q": 2}]}}]
        assert await collection.count(Compare("n", "gte", 2)) == 4

    async def test_sorts_types_as_mongodb_does_and_ties_by_id(self, collection: Collection) -> None:
        stored = await _fill(collection, [{"v": v} for v in (True, "b", 2, {"k": 1}, None, False, "a", 1.5, "B")] + [{}])
        order = [4, 9, 7, 2, 8, 6, 1, 3, 5, 0]
        assert [one["_id"] for one in await collection.find(sort=[("v", 1)])] == [stored[number]["_id"] for number in order]
        up = [one["_id"] for one in await collection.find(sort=[("w", 1)])]
        assert up == sorted(up)

    async def test_a_collection_that_does_not_exist_is_empty(self, collection: Collection) -> None:
        assert await collection.find() == []
        assert await collection.count() == 0
        assert await collection.get("x") is None
        assert await collection.delete("x") is False
        assert await collection.delete_many(ALL) == 0
        assert await collection.update("x", Update(set={"a": 1})) is None
        assert await collection.claim(ALL, Update(set={"a": 1})) is None
        assert await collection.update_many(ALL, Update(set={"a": 1})) == 0

    async def test_update_sets_unsets_increments_and_appends(self, collection: Collection) -> None:
        document, *_ = await _fill(collection, [{"a": {"b": 1, "c": 2}, "n": 1, "l": [1], "gone": 1}])
        change = Update(
            set={"a.b": {"x": 1}, "new.deep": [1]}, unset=["gone", "a.c", "not.there"], increment={"n": 2, "m": 1}, push={"l": 2, "k": 1}
        )
        wanted = {"_id": document["_id"], "a": {"b": {"x": 1}}, "n": 3, "l": [1, 2], "new": {"deep": [1]}, "m": 1, "k": [1]}
        assert await collection.update(document["_id"], change) == wanted
        assert await collection.get(document["_id"]) == wanted

    async def test_update_of_an_element_by_index(self, collection: Collection) -> None:
        document, *_ = await _fill(collection, [{"steps": [{"s": 1}, {"s": 1}]}])
        after = await collection.update(document["_id"], Update(set={"steps.1.s": 2}))
        assert after is not None
        assert after["steps"] == [{"s": 1}, {"s": 2}]

    async def test_an_update_through_a_plain_value_is_refused(self, collection: Collection) -> None:
        document, *_ = await _fill(collection, [{"a": 1}])
        with pytest.raises(StoreError):
            await collection.update(document["_id"], Update(set={"a.b": 1}))
        assert await collection.get(document["_id"]) == document

    async def test_compare_and_set_lets_one_of_many_win(self, collection: Collection) -> None:
        document, *_ = await _fill(collection, [{"version": 1}])
        results = await asyncio.gather(
            *(
                collection.update(document["_id"], Update(set={"by": n}, increment={"version": 1}), expected=eq("version", 1))
                for n in range(8)
            )
        )
        winners = [result for result in results if result is not None]
        assert len(winners) == 1
        assert await collection.get(document["_id"]) == winners[0]

    async def test_increments_at_once_are_all_counted(self, collection: Collection) -> None:
        document, *_ = await _fill(collection, [{"n": 0}])
        await asyncio.gather(*(collection.update(str(document["_id"]), Update(increment={"n": 1})) for _ in range(30)))
        assert (await collection.get(document["_id"]) or {})["n"] == 30

    async def test_claim_gives_each_document_to_one_worker_in_order(self, collection: Collection) -> None:
        stored = await _fill(collection, [{"state": "PENDING", "at": n} for n in range(24)])

        async def work(name: int) -> list[dict[str, Any]]:
            mine = []
            while claimed := await collection.claim(eq("state", "PENDING"), Update(set={"state": "RUNNING", "by": name}), sort=[("at", 1)]):
                assert claimed["state"] == "RUNNING"
                mine.append(claimed)
            return mine

        shares = await asyncio.gather(*(work(n) for n in range(8)))
        assert sorted(one["_id"] for share in shares for one in share) == sorted(one["_id"] for one in stored)
        for share in shares:
            assert [one["at"] for one in share] == sorted(one["at"] for one in share)

    async def test_replace_and_delete_only_what_still_matches(self, collection: Collection) -> None:
        document, *_ = await _fill(collection, [{"v": 1}])
        assert await collection.replace({"_id": document["_id"], "v": 2}, expected=eq("v", 9)) is False
        assert await collection.replace({"_id": document["_id"], "w": 2}, expected=eq("v", 1)) is True
        assert await collection.get(document["_id"]) == {"_id": document["_id"], "w": 2}
        assert await collection.delete(document["_id"], expected=eq("w", 1)) is False
        assert await collection.delete(document["_id"], expected=eq("w", 2)) is True

    async def test_many_are_updated_and_deleted(self, collection: Collection) -> None:
        await _fill(collection, [{"n": n} for n in range(5)])
        assert await collection.update_many(Compare("n", "gt", 2), Update(set={"big": True})) == 2
        assert await collection.count(eq("big", True)) == 2
        assert await collection.delete_many(eq("big", True)) == 2
        assert await collection.count() == 3

    async def test_unique_indexes_refuse_by_name_and_nulls_collide(self, store: Store) -> None:
        name = f"t{secrets.token_hex(6)}"
        collection = store.collection(name)
        indexes = [Index("unique_name", (("name", 1),), unique=True), Index("pair", (("x.a", 1), ("b", -1)), unique=True)]
        await store.sync_indexes({name: indexes})
        first: dict[str, Any] = {"_id": new_id(), "name": "a", "x": {"a": 1}, "b": "1"}
        await collection.insert(first)
        await collection.insert({"_id": new_id(), "name": "A", "x": {"a": 1}, "b": 1})
        await collection.insert({"_id": new_id(), "x": {"a": 2}})
        for document, index in (
            ({"_id": first["_id"], "name": "q", "b": "q"}, None),
            ({"_id": new_id(), "name": "a", "b": "z"}, "unique_name"),
            ({"_id": new_id(), "name": None, "b": "y"}, "unique_name"),
            ({"_id": new_id(), "name": "n", "x": {"a": 1.0}, "b": "1"}, "pair"),
        ):
            with pytest.raises(DuplicateKeyError) as caught:
                await collection.insert(document)
            if index:
                assert caught.value.index == index
        with pytest.raises(DuplicateKeyError) as caught:
            await collection.update(first["_id"], Update(set={"name": "A"}))
        assert caught.value.index in {"unique_name", ""}

    async def test_of_inserts_at_once_with_one_name_one_wins(self, store: Store) -> None:
        name = f"t{secrets.token_hex(6)}"
        await store.sync_indexes({name: [Index("unique_name", (("name", 1),), unique=True)]})
        collection = store.collection(name)
        inserts = (collection.insert({"_id": new_id(), "name": "same"}) for _ in range(8))
        results = await asyncio.gather(*inserts, return_exceptions=True)
        assert sum(result is None for result in results) == 1
        assert sum(isinstance(result, DuplicateKeyError) for result in results) == 7

    async def test_indexes_follow_their_declaration(self, store: Store) -> None:
        name = f"t{secrets.token_hex(6)}"
        collection = store.collection(name)
        await store.sync_indexes({name: [Index("u", (("name", 1),), unique=True)]})
        await store.sync_indexes({name: [Index("u", (("name", 1),), unique=True)]})
        await collection.insert({"_id": new_id(), "name": "a"})
        await store.sync_indexes({name: [Index("plain", (("name", 1), ("_id", -1)))]})
        await collection.insert({"_id": new_id(), "name": "a"})
        assert await collection.count(eq("name", "a")) == 2

    async def test_hostile_values_and_paths_are_only_values_and_paths(self, collection: Collection) -> None:
        nasty = ["'; DROP TABLE x; --", '"', "\\", "$where", "a' OR '1'='1", "\u2028", "😀", "%", "_"]
        await _fill(collection, [{"v": text, "m": {text.replace("$", "").replace(".", ""): 1}} for text in nasty])
        for text in nasty:
            assert [one["v"] for one in await collection.find(eq("v", text))] == [text]
            assert await collection.count(Prefix("v", text)) == 1
            assert await collection.count(In("v", (text, "x"))) == 1
            assert await collection.count(eq(f"m.{text.replace('$', '')}", 1)) == 1
            assert len(await collection.find(sort=[(f"m.{text.replace('$', '')}", 1)])) == len(nasty)

    async def test_ping_returns(self, store: Store) -> None:
        await store.ping()

    async def test_finds_exactly_what_the_reference_finds(self, store: Store) -> None:
        examples = self.examples
        batches: list[tuple[list[dict[str, Any]], list[Query]]] = []

        @settings(max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(st.lists(DOCUMENTS, min_size=1, max_size=8), st.lists(QUERIES, min_size=5, max_size=20))
        def collect(documents: list[dict[str, Any]], queries: list[Query]) -> None:
            batches.append((documents, queries))

        collect()
        for documents, queries in batches:
            collection = store.collection("random")
            await collection.delete_many(ALL)
            stored = await _fill(collection, list(documents))
            for query in queries:
                if self.is_beyond(query):
                    continue
                wanted = [one["_id"] for one in stored if expected(query, one)]
                found = [one["_id"] for one in await collection.find(query)]
                assert found == wanted, f"{query!r}\n in {documents!r}"

    examples = 60

    def is_beyond(self, query: Query) -> bool:
        """Tell whether this adapter's database is known to answer differently; it says why."""
        return False
