"""The audit log: what is written, what is masked, what happens when it cannot be written, and when it is forgotten."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cloudcasa_server.identity import AUDITLOGS, AuditLog
from cloudcasa_server.identity.audit import DAY_SECONDS, MAX_WAITING, REPEAT_SECONDS
from cloudcasa_server.identity.masking import CHANGED, MASK
from cloudcasa_server.kit.rest import Change, Documents, Outcome
from cloudcasa_server.kit.store import Collection, StoreUnavailableError
from cloudcasa_server.kit.store.sqlite import SqliteStore

from tests.support.access import House, a_house, two_clusters
from tests.support.api import a_store, a_vault, an_admin
from tests.support.clock import FakeClock

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with a_house(tmp_path_factory.mktemp("house")) as running:
        yield await two_clusters(running)


async def test_every_change_of_a_document_is_written_with_before_and_after(house: House) -> None:
    schedule = [{"retainDays": 7, "schedule": {"cronSpec": "0 1 * * *"}}]
    made = await house.admin.make("policies", name="watched", schedules=schedule)
    await house.admin.ask("PATCH", f"policies/{made['_id']}", json={"timezone": "Europe/Vienna"}, headers={"X-Request-Id": "abc"})
    await house.admin.ask("DELETE", f"policies/{made['_id']}")
    created, updated, deleted = await house.entries(resource_id=made["_id"])
    assert [one["operation"] for one in (created, updated, deleted)] == ["create", "update", "delete"]
    assert {one["user"] for one in (created, updated, deleted)} == {"bootstrap@apikey"}
    assert created["principal"] == {"kind": "apikey", "id": house.admin.id}
    assert (created["before"], deleted["after"]) == (None, None)
    assert (updated["before"]["timezone"], updated["after"]["timezone"]) == ("UTC", "Europe/Vienna")
    assert (updated["request_id"], updated["resource"], updated["name"], updated["outcome"]) == ("abc", "policies", "watched", "OK")
    assert created["address"]
    assert abs(created["time"] - house.app.state.parts.clock.timestamp()) < 60


async def test_actions_are_written_under_their_own_names(house: House) -> None:
    backup = house.made["red-shop"]["_id"]
    await house.admin.ask("POST", f"kubebackups/{backup}/action/run", json={})
    (entry,) = await house.entries(resource_id=backup, operation="run")
    assert (entry["resource"], entry["name"], entry["outcome"]) == ("kubebackups", "red-shop", "OK")


async def test_what_was_refused_is_written_once_a_minute(house: House) -> None:
    viewer = await house.a_key("nosy", roles=["VIEWER"])
    path = f"policies/{house.made['policy']['_id']}"
    for _ in range(3):
        assert await viewer.status("DELETE", path) == 403
    assert await viewer.status("GET", "apikeys") == 403
    entries = await house.entries(user="nosy@apikey")
    assert [(one["operation"], one["resource"], one["outcome"]) for one in entries] == [
        ("delete", "policies", "REFUSED"),
        ("read", "apikeys", "REFUSED"),
    ]
    assert "policies.delete" in entries[0]["message"]


async def test_what_was_invalid_is_not_written(house: House) -> None:
    before = len(await house.entries())
    assert await house.admin.status("POST", "policies", json={"name": "x"}) == 422
    assert await house.admin.status("PATCH", f"policies/{house.made['policy']['_id']}", json={}, etag="stale") == 412
    assert len(await house.entries()) == before


async def test_no_secret_reaches_the_log(house: House) -> None:
    store = house.made["store"]
    endpoint = {"endpoint": "https://s3.example:9000", "credentials": {"access_key": "NEWKEY99", "secret_key": "n3wS3cr3t99"}}
    answer = await house.admin.ask("PATCH", f"objectstores/{store['_id']}", json={"s3provider": endpoint})
    assert answer.status_code == 200, answer.text
    key = await house.a_key("masked")
    cluster = await house.admin.make("kubeclusters", name="masked", configuration={"registry_password": "hunter22", "note": "ok"})
    entries = json.dumps(await house.entries())
    for secret in (
        "NEWKEY99",
        "n3wS3cr3t99",
        "s3cr3t",
        key.key,
        "hunter22",
        cluster["status"]["agentURL"],
        "hashed_apikey",
        "repo_password",
    ):
        assert secret not in entries, secret
    (update,) = await house.entries(resource_id=store["_id"], operation="update")
    assert update["before"]["s3provider"]["credentials"] == MASK
    assert update["after"]["s3provider"]["credentials"] == CHANGED
    (created,) = await house.entries(resource_id=cluster["_id"])
    assert created["after"]["configuration"] == {"registry_password": MASK, "note": "ok"}


async def test_nobody_writes_or_deletes_entries_by_the_api(house: House) -> None:
    (first, *_) = await house.entries()
    for method, path in (("POST", "auditlogs"), ("PUT", f"auditlogs/{first['_id']}"), ("DELETE", f"auditlogs/{first['_id']}")):
        assert await house.admin.status(method, path, json={}) == 405


class Failing:
    """A collection of a database that is away, until it comes back."""

    def __init__(self, real: Collection) -> None:
        self._real = real
        self.is_away = True
        self.tries = 0

    async def insert(self, document: Mapping[str, Any], /) -> None:
        self.tries += 1
        if self.is_away:
            raise StoreUnavailableError("gone")
        await self._real.insert(document)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class FlakyStore:
    """A store of one failing collection."""

    def __init__(self, store: SqliteStore) -> None:
        self.failing = Failing(store.collection("auditlogs"))

    def collection(self, name: str, /) -> Any:
        assert name == "auditlogs"
        return self.failing


def a_log(store: Any, clock: FakeClock) -> AuditLog:
    return AuditLog(Documents(AUDITLOGS, store=store, clock=clock, vault=a_vault()), clock=clock, retention_days=2)


async def test_an_entry_waits_for_the_database_and_the_change_stands(tmp_path: Path) -> None:
    store, clock = a_store(tmp_path), FakeClock()
    flaky = FlakyStore(store)
    log = a_log(flaky, clock)
    for number in range(MAX_WAITING // 1_000):
        await log.record(Change("create", "policies", name=f"p{number}"))
    await log.sweep()
    assert await store.collection("auditlogs").count() == 0
    flaky.failing.is_away = False
    await log.sweep()
    await log.sweep()
    names = [one["name"] for one in await store.collection("auditlogs").find(sort=(("_id", 1),))]
    assert sorted(names) == [f"p{number}" for number in range(MAX_WAITING // 1_000)]
    await store.close()


async def test_old_entries_are_dropped_and_younger_ones_stay(tmp_path: Path) -> None:
    store, clock = a_store(tmp_path), FakeClock()
    log = a_log(store, clock)
    await log.record(Change("create", "policies", name="old"))
    clock.tick(DAY_SECONDS)
    await log.record(Change("create", "policies", name="young"))
    clock.tick(DAY_SECONDS + 1)
    await log.sweep()
    assert [one["name"] for one in await store.collection("auditlogs").find()] == ["young"]
    await store.close()


async def test_refusals_are_told_apart_by_caller_place_and_document(tmp_path: Path) -> None:
    store, clock = a_store(tmp_path), FakeClock()
    log = a_log(store, clock)
    refused = Change("login", "users", name="ann", address="192.0.2.1", outcome=Outcome.REFUSED)
    for change in (refused, refused, Change("login", "users", name="bob", address="192.0.2.1", outcome=Outcome.REFUSED)):
        await log.record(change)
    assert await store.collection("auditlogs").count() == 2
    clock.tick(REPEAT_SECONDS)
    await log.record(refused)
    assert await store.collection("auditlogs").count() == 3
    await log.record(Change("login", "users", name="ann", principal=an_admin()))
    await log.record(Change("login", "users", name="ann", principal=an_admin()))
    assert await store.collection("auditlogs").count() == 5
    await store.close()


async def test_who_has_a_whole_network_of_addresses_is_one_place(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    log = a_log(store, FakeClock())
    for number in range(3):
        await log.record(Change("authenticate", "credentials", address=f"2001:db8::{number}", outcome=Outcome.REFUSED))
    assert await store.collection("auditlogs").count() == 1
    await store.close()


async def test_a_credential_that_is_not_good_is_written_without_being_shown(house: House) -> None:
    wrong = "x" * 120
    for _ in range(2):
        assert (await house.client.get("/api/v1/policies", headers={"Authorization": f"Bearer {wrong}"})).status_code == 401
    assert (await house.client.get("/api/v1/policies")).status_code == 401
    entries = await house.entries(operation="authenticate")
    assert [(one["user"], one["outcome"]) for one in entries] == [("anonymous", "REFUSED")]
    assert wrong not in json.dumps(entries)


async def test_the_first_key_is_written_as_made_by_the_server(house: House) -> None:
    (entry,) = await house.entries(user="system", resource="apikeys")
    assert (entry["operation"], entry["address"], entry["principal"]) == ("create", "", {"kind": "system", "id": ""})
