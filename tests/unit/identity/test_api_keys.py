"""API keys: made once, shown once, known by their hash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cloudcasa_server.identity import APIKEYS, ROLES, ApiKeys, Caches, KeyQuota, seed_roles
from cloudcasa_server.identity.caches import CACHE_SECONDS
from cloudcasa_server.identity.service import BOOTSTRAP_FILE
from cloudcasa_server.kit.rest import Documents, RestApi, Services
from cloudcasa_server.kit.store import ALL, eq
from fastapi import FastAPI

from tests.support.api import a_store, a_vault
from tests.support.clock import FakeClock


@dataclass
class Bench:
    client: httpx.AsyncClient
    key: str
    documents: Documents
    keys: ApiKeys
    clock: FakeClock

    async def status(self, key: str | None) -> int:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return (await self.client.get("/api/v1/apikeys", headers=headers)).status_code


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store, vault, clock = a_store(tmp_path), a_vault(), FakeClock()
    documents = Documents(APIKEYS, store=store, clock=clock, vault=vault)
    keys = ApiKeys(documents, clock=clock)
    rest = RestApi(store=store, vault=vault, clock=clock, authenticator=keys, services=Services(keys, Caches(keys), KeyQuota(5)))
    for resource in (APIKEYS, ROLES):
        rest.add(resource)
    app = FastAPI(openapi_url=None)
    rest.install(app)
    await store.sync_indexes(rest.indexes())
    await seed_roles(Documents(ROLES, store=store, clock=clock, vault=vault), known=rest.permissions)
    key = await keys.bootstrap(tmp_path)
    assert key is not None
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://test") as client:
        yield Bench(client, key, documents, keys, clock)
    await store.close()


async def test_the_first_key_is_made_once_and_kept_in_a_private_file(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / BOOTSTRAP_FILE
    assert path.read_text().strip() == bench.key
    assert path.stat().st_mode & 0o777 == 0o600
    assert 100 <= len(bench.key) <= 255
    assert await bench.keys.bootstrap(tmp_path) is None
    assert await bench.status(bench.key) == 200


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (None, "needs an API key"),
        ("", "needs an API key"),
        ("Basic abc", "must be"),
        ("Bearer short", "must be"),
        ("Bearer " + "é" * 120, "must be"),
        ("Bearer " + "a" * 120, "not known"),
    ],
)
async def test_without_a_known_key_the_answer_is_401(bench: Bench, header: str | None, sentence: str) -> None:
    headers = {} if header is None else {"Authorization": header.encode()}
    answer = await bench.client.get("/api/v1/apikeys", headers=headers)
    assert answer.status_code == 401
    assert sentence in answer.json()["_error"]["message"]
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_is_shown_once_and_stored_as_a_hash(bench: Bench) -> None:
    admin = {"Authorization": f"Bearer {bench.key}"}
    answer = await bench.client.post("/api/v1/apikeys", json={"name": "ci", "roles": ["viewer"]}, headers=admin)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["snippet"] == made["api_key"][-5:]
    shown = (await bench.client.get("/api/v1/apikeys", headers=admin)).text
    stored = json.dumps(await bench.documents.collection.find(ALL))
    assert made["api_key"] not in shown + stored
    assert "hashed_apikey" not in shown
    viewer = {"Authorization": f"bearer {made['api_key']}"}
    assert (await bench.client.get(f"/api/v1/apikeys/{made['_id']}", headers=viewer)).status_code == 403
    assert (await bench.client.get("/api/v1/nothing", headers=viewer)).status_code == 404
    assert (await bench.client.post("/api/v1/apikeys", json={"name": "x"}, headers=viewer)).status_code == 403


async def test_a_deleted_key_is_known_no_more(bench: Bench) -> None:
    admin = {"Authorization": f"Bearer {bench.key}"}
    made = (await bench.client.post("/api/v1/apikeys", json={"name": "ci"}, headers=admin)).json()
    assert await bench.status(made["api_key"]) == 200
    assert (await bench.client.delete(f"/api/v1/apikeys/{made['_id']}", headers=admin)).status_code == 204
    assert await bench.status(made["api_key"]) == 401


async def test_the_last_admin_key_is_not_deleted(bench: Bench) -> None:
    admin = {"Authorization": f"Bearer {bench.key}"}
    viewer = (await bench.client.post("/api/v1/apikeys", json={"name": "eyes", "roles": ["viewer"]}, headers=admin)).json()
    (first,) = await bench.documents.collection.find(eq("roles", "ADMIN"))
    refused = await bench.client.delete(f"/api/v1/apikeys/{first['_id']}", headers=admin)
    assert refused.status_code == 422
    assert "nobody would be left" in refused.json()["_error"]["message"]
    assert (await bench.client.delete(f"/api/v1/apikeys/{viewer['_id']}", headers=admin)).status_code == 204


async def test_keys_that_are_made_at_once_keep_to_the_limit(bench: Bench) -> None:
    headers = {"Authorization": f"Bearer {bench.key}"}
    bodies = [{"name": f"k{number}", "roles": ["VIEWER"]} for number in range(12)]
    answers = await asyncio.gather(*(bench.client.post("/api/v1/apikeys", json=body, headers=headers) for body in bodies))
    made = [answer.status_code for answer in answers].count(201)
    assert {answer.status_code for answer in answers} <= {201, 403}
    assert await bench.documents.collection.count(ALL) == 1 + made <= 5


async def test_a_key_that_is_remembered_ends_on_time_all_the_same(bench: Bench) -> None:
    body = {"name": "short", "roles": ["ADMIN"], "expires_at": bench.clock.timestamp() + 5}
    made = await bench.client.post("/api/v1/apikeys", json=body, headers={"Authorization": f"Bearer {bench.key}"})
    key = made.json()["apikey"]
    assert await bench.status(key) == 200
    bench.clock.tick(5)
    assert await bench.status(key) == 401


async def test_a_key_deleted_by_another_replica_ends_with_the_cache(bench: Bench) -> None:
    assert await bench.status(bench.key) == 200
    await bench.documents.collection.delete_many(ALL)
    assert await bench.status(bench.key) == 200
    bench.clock.tick(CACHE_SECONDS)
    assert await bench.status(bench.key) == 401


async def test_an_unknown_role_is_refused(bench: Bench) -> None:
    admin = {"Authorization": f"Bearer {bench.key}"}
    answer = await bench.client.post("/api/v1/apikeys", json={"name": "ci", "roles": ["king"]}, headers=admin)
    assert answer.status_code == 422


async def test_two_that_start_at_once_agree_on_the_first_key(bench: Bench, tmp_path: Path) -> None:
    await bench.documents.collection.delete_many(ALL)
    directory = tmp_path / "shared"
    made = await asyncio.gather(*(bench.keys.bootstrap(directory) for _ in range(4)))
    assert [key for key in made if key] == [(directory / BOOTSTRAP_FILE).read_text().strip()]
    assert await bench.status((directory / BOOTSTRAP_FILE).read_text().strip()) == 200
