"""Several processes bring one database up to date at once, and the one at work is killed: on both adapters, with real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from cloudcasa_server.kit import migration
from cloudcasa_server.kit.ids import new_id
from cloudcasa_server.kit.store import Compare, open_store

from tests.support.server import a_database

DOCUMENTS = 1_500
LEASE_SECONDS = 2.0
MIGRATE = f"""
import asyncio, sys
from pathlib import Path
from cloudcasa_server.kit import migration
from cloudcasa_server.kit.clock import SystemClock
from cloudcasa_server.kit.migration import Migration, Migrator
from cloudcasa_server.kit.store import Index, Update, open_store

def change(document):
    return None if "number" in document else Update(set={{"number": int(document["text"])}}, increment={{"times": 1}})

async def run():
    migration.BATCH = 50
    store = open_store(sys.argv[1], data_dir=Path("."))
    indexes = {{"things": (Index("number", (("number", 1),), unique=True),)}}
    migrations = (Migration(1, "Make text a number", "things", change),)
    await Migrator(store=store, clock=SystemClock(), migrations=migrations, indexes=indexes, lease_seconds={LEASE_SECONDS}).run()
    await store.close()

asyncio.run(run())
"""


@pytest.fixture(params=["sqlite", "mongo"])
def url(request, tmp_path):
    return f"sqlite://{tmp_path}/test.db" if request.param == "sqlite" else a_database(request.getfixturevalue("mongo_url"))


async def test_killed_migrator_is_taken_over_and_each_document_is_changed_once(url, tmp_path):
    store = open_store(url, data_dir=tmp_path)
    for number in range(DOCUMENTS):
        await store.collection("things").insert({"_id": new_id(), "text": str(number)})
    first = subprocess.Popen([sys.executable, "-c", MIGRATE, url])
    deadline = time.monotonic() + 60
    while not 100 < await store.collection("things").count(Compare("number", "gte", 0)) < DOCUMENTS:
        assert time.monotonic() < deadline
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    state = await store.collection(migration.COLLECTION).get(migration.STATE_ID)
    assert state["version"] == 0
    assert state["cursor"]
    others = [subprocess.Popen([sys.executable, "-c", MIGRATE, url], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [other.communicate(timeout=120)[0] for other in others]
    assert [other.returncode for other in others] == [0, 0, 0]
    assert sum("Database migrated" in text for text in told) == 1
    assert any("Waiting for another replica" in text for text in told)
    found = await store.collection("things").find(sort=(("number", 1),))
    assert [(one["number"], one["times"]) for one in found] == [(number, 1) for number in range(DOCUMENTS)]
    state = await store.collection(migration.COLLECTION).get(migration.STATE_ID)
    assert (state["version"], state["cursor"]) == (1, "")
    await store.close()
