"""What keeps requests fast at a million documents, held without a clock: indexes that the database uses, and few calls to it."""

from __future__ import annotations

import json

import pytest
from cloudcasa_server.app import create_app
from cloudcasa_server.kit.rest import Resource, ResourceModel, Unique
from cloudcasa_server.kit.rest.listing import parse_listing
from cloudcasa_server.kit.rest.types import Name
from cloudcasa_server.kit.settings import Settings
from cloudcasa_server.kit.store import Update
from cloudcasa_server.kit.store.sqlite_sql import order_of

from tests.support.api import a_rest, a_store, serving
from tests.support.clock import FakeClock
from tests.support.counting_store import CountingStore
from tests.support.known_lists import known_lists

LISTS = known_lists(cluster="1" * 24, backup="2" * 24, since=1_700_000_000)
MORE = {
    "newest jobs": ("jobs", {"sort": "-start_time"}),
    "jobs as they were made": ("jobs", {"sort": "-_created"}),
    "newest recovery points of a backup": ("backupinstances", {"sort": "-start_time", "where": json.dumps({"backupdef": "2" * 24})}),
}


@pytest.fixture
async def store(tmp_path):
    store = a_store(tmp_path)
    yield store
    await store.close()


@pytest.fixture
async def resources(tmp_path, store):
    rest = create_app(Settings(data_dir=tmp_path, tls=False), store=store).state.rest
    await store.sync_indexes(rest.indexes())
    return rest.resources


async def plan(store, resource, parameters):
    """Return how SQLite would answer a list and its total."""
    listing = parse_listing(parameters, resource)
    collection = store.collection(resource.name)

    def explain(connection):
        clause = collection._clause(connection, listing.query)
        table = f"{collection._table} WHERE {clause.sql}"
        found = connection.run(
            f"EXPLAIN QUERY PLAN SELECT body FROM {table} ORDER BY {order_of(listing.sort)} LIMIT 100", clause
        ).fetchall()
        source = collection._source(connection, listing.query, clause)
        total = connection.run(f"EXPLAIN QUERY PLAN SELECT count(*) FROM {source} WHERE {clause.sql}", clause).fetchall()
        return [row[3] for row in found], [row[3] for row in total]

    return await store.read(explain)


async def test_every_known_list_and_its_total_use_an_index(store, resources):
    asked = {name: call for name, call in (LISTS | MORE).items() if call[0] in resources}
    assert len(asked) >= 9
    for name, (resource, parameters) in asked.items():
        for steps in await plan(store, resources[resource], parameters):
            read = [step for step in steps if step.startswith(("SCAN", "SEARCH"))]
            assert read, (name, steps)
            assert all(" INDEX " in step for step in read), (name, steps)


async def test_known_lists_are_read_in_their_order_instead_of_being_sorted(store, resources):
    """All but the restores of a cluster, which are looked for in two indexes: few documents, and none of other clusters."""
    for name, (resource, parameters) in (LISTS | MORE).items():
        if resource in resources and '"$or"' not in parameters.get("where", ""):
            steps, _ = await plan(store, resources[resource], parameters)
            assert not any("TEMP B-TREE" in step for step in steps), (name, steps)


@pytest.mark.parametrize(
    ("name", "index"),
    [("rancher: jobs", "cc_jobs__cluster"), ("terraform: jobs of a backup", "cc_jobs__backupdef"), ("rancher: recovery points", "cluster")],
)
async def test_totals_are_counted_in_the_index_that_holds_all_that_is_filtered(store, resources, name, index):
    resource, parameters = LISTS[name]
    _, steps = await plan(store, resources[resource], parameters)
    assert len(steps) == 1
    assert index in steps[0]


@pytest.mark.parametrize("value", [[], ["1" * 24], {}, {"a": 1}, None, True, 1.5, ""], ids=repr)
async def test_odd_values_for_an_indexed_field_are_counted_too(store, resources, value):
    await store.collection("jobs").insert({"_id": "3" * 24, "cluster": "1" * 24, "display_type": "K8S_SNAP"})
    query = parse_listing({"where": json.dumps({"cluster": value, "display_type": {"$exists": True}})}, resources["jobs"]).query
    assert await store.collection("jobs").count(query) == 0


async def test_an_array_where_none_is_expected_is_found_all_the_same(store, resources):
    """It takes the slower way for its path, until it is gone."""
    jobs = store.collection("jobs")
    for number, cluster in enumerate(["1" * 24, ["1" * 24, "2" * 24], "2" * 24]):
        await jobs.insert({"_id": f"{number:024x}", "cluster": cluster, "start_time": number, "display_type": "K8S_SNAP"})
    query = parse_listing(LISTS["rancher: jobs"][1], resources["jobs"]).query
    assert [one["start_time"] for one in await jobs.find(query, sort=[("start_time", -1)])] == [1, 0]
    await jobs.update(f"{1:024x}", Update(set={"cluster": "1" * 24}))
    assert await jobs.count(query) == 2
    steps, _ = await plan(store, resources["jobs"], LISTS["rancher: jobs"][1])
    assert not any("MULTI-INDEX" in step for step in steps)


class Thing(ResourceModel):
    name: Name
    size: int = 0


THINGS = Resource(name="things", title="Thing", noun="thing", model=Thing, unique=(Unique(("name",), "Taken."),))


@pytest.fixture
async def bench(tmp_path):
    store = CountingStore(a_store(tmp_path))
    clock = FakeClock()
    rest = a_rest(store, clock)
    rest.add(THINGS)
    async with serving(rest, store, clock) as bench:
        yield bench
    await store.close()


async def calls(bench, request):
    """Return the calls to the database that a request makes."""
    bench.store.calls.clear()
    answer = await request
    assert answer.status_code < 300, answer.text
    return bench.store.calls


async def test_each_request_asks_the_database_as_little_as_it_can(bench):
    client = bench.client
    assert await calls(bench, client.post("/api/v1/things", json={"name": "a"})) == ["things.insert"]
    thing = (await client.get("/api/v1/things")).json()["_items"][0]
    path, match = f"/api/v1/things/{thing['_id']}", {"If-Match": thing["_etag"]}
    assert await calls(bench, client.get(path)) == ["things.get"]
    assert await calls(bench, client.patch(path, json={"size": 1}, headers=match)) == ["things.get", "things.update"]
    assert await calls(bench, client.get("/api/v1/things")) == ["things.find"]


@pytest.mark.parametrize(
    ("parameters", "total_is_counted"),
    [
        ({"max_results": 4}, False),
        ({"max_results": 3}, True),
        ({"max_results": 2, "page": 2}, False),
        ({"max_results": 1, "page": 2}, True),
        ({"max_results": 2, "page": 5}, True),
        ({"where": '{"name": "b"}'}, False),
        ({"where": '{"name": "nobody"}'}, False),
    ],
)
async def test_total_is_counted_only_where_the_page_does_not_tell_it(bench, parameters, total_is_counted):
    for name in "abc":
        await bench.post("things", {"name": name})
    bench.store.calls.clear()
    answer = (await bench.client.get("/api/v1/things", params=parameters)).json()
    assert ("things.count" in bench.store.calls) is total_is_counted
    assert answer["_meta"]["total"] == {'{"name": "b"}': 1, '{"name": "nobody"}': 0}.get(parameters.get("where"), 3)
