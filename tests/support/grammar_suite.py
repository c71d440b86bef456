"""The query grammar through HTTP against the second opinion: used with few examples by the unit tests, with many by the integration tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cloudcasa_server.kit.store import ALL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .api import ApiBench, a_rest, a_store, serving
from .clock import FakeClock
from .toys import HOUSE, ROOM, STREET
from .wire import FILTERS, OPTIONS, PROJECTIONS, SORTS, Json, is_sortable, ordered, projected, selects, sort_text

ROOMS = st.fixed_dictionaries(
    {"options": OPTIONS},
    optional={"beds": st.integers(1, 3), "camelCase": st.sampled_from(["", "a", "B", "é"]), "tags": st.just({"a": "1"})},
)
Question = tuple[Json, Sequence[tuple[str, int]], bool, tuple[Sequence[str], bool] | None]


def check_grammar(directory: Path, *, examples: int) -> None:
    """Ask random questions about random rooms. Raises AssertionError with the smallest question that is answered wrongly."""
    with asyncio.Runner() as runner:
        bench = runner.run(_open(directory))

        @settings(max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(
            st.lists(ROOMS, min_size=1, max_size=6), st.lists(st.tuples(FILTERS, SORTS, st.booleans(), PROJECTIONS), min_size=1, max_size=6)
        )
        def ask(rooms: list[Json], questions: list[Question]) -> None:
            runner.run(_ask(bench, rooms, questions))

        ask()
        runner.run(bench.store.close())


async def _open(directory: Path) -> ApiBench:
    store, clock = a_store(directory), FakeClock()
    rest = a_rest(store, clock)
    for resource in (ROOM, HOUSE, STREET):
        rest.add(resource)
    async with serving(rest, store, clock) as bench:
        return bench


async def _ask(bench: ApiBench, rooms: list[Json], questions: list[Question]) -> None:
    documents = bench.documents("rooms")
    await documents.collection.delete_many(ALL)
    stored = [documents.new({"name": f"n{number}", **room}) for number, room in enumerate(rooms)]
    for document in stored:
        await documents.insert(document)
    async with bench.again() as client:
        for where, sort, is_listed, projection in questions:
            words = {"where": json.dumps(where, ensure_ascii=False), "sort": sort_text(sort, is_listed=is_listed)}
            if projection:
                words["projection"] = json.dumps(dict.fromkeys(projection[0], int(projection[1])), ensure_ascii=False)
            query = "&".join(f"{key}={quote(value)}" for key, value in words.items())
            answer = await client.get(f"/api/v1/rooms?{query}")
            assert answer.status_code == 200, (words, answer.text)
            _check(answer.json(), stored, where, sort, projection)


def _check(body: Json, stored: list[Json], where: Json, sort: Sequence[tuple[str, int]], projection: Any) -> None:
    wanted = [document for document in stored if selects(where, document)]
    assert {item["_id"] for item in body["_items"]} == {document["_id"] for document in wanted}, (where, stored)
    assert body["_meta"]["total"] == len(wanted)
    if is_sortable(wanted, sort):
        assert [item["_id"] for item in body["_items"]] == [document["_id"] for document in ordered(wanted, sort)], (sort, stored)
    by_id = {document["_id"]: document for document in stored}
    for item in body["_items"]:
        seen = {key: item[key] for key in item if key in _CLIENTS}
        whole = {key: value for key, value in by_id[item["_id"]].items() if key in _CLIENTS}
        assert seen == (projected(whole, projection[0], is_kept=projection[1]) if projection else whole), (projection, whole)


_CLIENTS = {"name", "options", "beds", "camelCase", "tags"}
