"""Slots and windows: how many runs go on at once, in which order the others follow, and when scheduled ones may begin."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from cloudcasa_server.backup.admission import AGAIN_SECONDS, Admission
from cloudcasa_server.job.model import Wait
from cloudcasa_server.job.slots import COLLECTION, Slots, Want
from cloudcasa_server.kit.store import Update
from cloudcasa_server.policy.windows import opens_at

from tests.support.api import a_store
from tests.support.clock import FakeClock


def a_job(number, *, on=""):
    waits = {"on": on} if on else None
    return {"_id": f"{number:024x}", "start_time": 1000 + number, "script": {"is_open": True, "waits": waits}}


@pytest.fixture
async def jobs(tmp_path):
    store = a_store(tmp_path)
    for number in range(12):
        await store.collection("jobs").insert(a_job(number))
    yield store
    await store.close()


async def end(store, number):
    await store.collection("jobs").update(f"{number:024x}", Update(set={"script.is_open": False}))


async def test_however_many_ask_at_once_no_more_than_the_limit_get_a_slot(jobs):
    wants = [Want("slot:a", 3), Want("slot:b", 5)]
    answers = await asyncio.gather(*(Slots(jobs).take(a_job(number), wants) for number in range(12)))
    assert sorted(answer is None for answer in answers) == [False] * 9 + [True] * 3
    again = await asyncio.gather(*(Slots(jobs).take(a_job(number), wants) for number in range(12)))
    assert [answer is None for answer in again] == [answer is None for answer in answers]


class ContestedStore:
    """A store on which others are always faster with the slots."""

    def __init__(self, inner):
        self._inner = inner

    def collection(self, name):
        return self if name == COLLECTION else self._inner.collection(name)

    async def get(self, document_id):
        return {"_id": document_id, "rev": 0, "holders": {}}

    async def update(self, *_, **__):
        return None


async def test_run_that_loses_every_race_for_slots_looks_again_and_is_not_said_to_overlap(jobs):
    admission = Admission(Slots(ContestedStore(jobs)), FakeClock(), missed_run_seconds=1, max_runs_per_cluster=0, max_runs_per_store=0)
    places = {"cluster": {"_id": "c", "name": "c"}, "store": {"_id": "s", "name": "s"}}
    assert await admission.by_slots(a_job(0) | {"backupdef": "b", "backupdef_name": "b"}, **places) == Wait(AGAIN_SECONDS)


async def test_slot_of_a_run_that_ended_is_free_whoever_ended_it(jobs):
    slots = Slots(jobs)
    assert await slots.take(a_job(0), [Want("slot:a", 1)]) is None
    assert await slots.take(a_job(1), [Want("slot:a", 1)]) is not None
    await end(jobs, 0)
    assert await slots.take(a_job(1), [Want("slot:a", 1)]) is None


async def test_who_waits_longer_goes_first_and_who_waits_for_something_else_holds_nobody_up(jobs):
    for number, on in ((1, "slot:a"), (2, "slot:b")):
        await jobs.collection("jobs").update(f"{number:024x}", Update(set={"script.waits": {"on": on}}))
    slots = Slots(jobs)
    assert await slots.take(a_job(3), [Want("slot:a", 1)]) is not None
    assert await slots.take(a_job(1, on="slot:a"), [Want("slot:a", 1)]) is None
    assert await slots.take(a_job(4), [Want("slot:c", 1)]) is None


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NIGHTS = {"start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"}
WEEKEND = {"days": ["SAT"], "start": "20:00", "end": "04:00"}


@pytest.mark.parametrize(
    ("windows", "now", "opens"),
    [
        ([], "2027-03-27T12:00", None),
        ([NIGHTS], "2027-03-27T12:00", "2027-03-27T21:00"),
        ([NIGHTS], "2027-03-27T23:30", None),
        ([NIGHTS], "2027-03-28T03:59", None),
        ([NIGHTS], "2027-03-28T04:00", "2027-03-28T20:00"),
        ([WEEKEND], "2027-03-28T03:00", None),
        ([WEEKEND], "2027-03-28T04:00", "2027-04-03T20:00"),
        ([WEEKEND, NIGHTS], "2027-03-29T10:00", "2027-03-29T20:00"),
    ],
    ids=["none", "before", "in it", "a short night", "over", "past midnight", "next week", "the first of two"],
)
def test_window_opens_at_its_local_time(windows, now, opens):
    assert opens_at(windows, now=at(now)) == (int(at(opens)) if opens else None)
