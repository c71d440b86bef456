"""A year of schedules with everything that goes wrong in one, judged by a reference that looks at every minute: no run is lost, none is doubled."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cloudcasa_server.kit.store import Compare, Update, eq
from cloudcasa_server.policy.instants import following

from tests.support.clock import FakeClock
from tests.support.cron_reference import Cron, fires
from tests.support.scheduled import SETTLE_SECONDS, Scheduled, a_replica

HOUR, DAY = 3600, 86_400
BOUND = 12 * HOUR
START = datetime(2027, 1, 4, tzinfo=UTC)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
DEFINITIONS = 6
EVENTS = 90


def a_cron(random: Random) -> Cron:
    """Return a line that fires once or twice on most days, often within the hours in which clocks change."""
    minutes = frozenset({random.randrange(0, 60, 15)})
    hours = frozenset(random.sample([0, 1, 2, 3, *range(24)], k=random.choice([1, 1, 2])))
    days = frozenset(random.sample(range(1, 32), k=4)) if random.random() < 0.2 else None
    weekdays = frozenset(random.sample(range(7), k=3)) if random.random() < 0.3 else None
    return Cron(minutes, None if days and random.random() < 0.5 else hours, days, weekdays)


def schedules_of(crons: list[Cron]) -> list[dict[str, Any]]:
    return [{"retainDays": 7, "schedule": {"cronSpec": cron.text}} for cron in crons]


@dataclass
class Definition:
    """A backup, and what is expected of it."""

    backup: dict[str, Any]
    policy: dict[str, Any]
    zone: str
    expected: list[int] = field(default_factory=list)
    must_run: set[int] = field(default_factory=set)
    must_report: set[int] = field(default_factory=set)
    may_run: set[int] = field(default_factory=set)


@dataclass
class Year:
    """The simulation: true time goes on; replicas look when something is due, unless nobody is there."""

    data_dir: Path
    random: Random
    stack: AsyncExitStack
    clock: FakeClock = field(default_factory=lambda: FakeClock(START))
    definitions: list[Definition] = field(default_factory=list)
    replicas: list[Scheduled] = field(default_factory=list)

    @property
    def now(self) -> int:
        return self.clock.timestamp()

    @property
    def end(self) -> int:
        return int(START.timestamp()) + 365 * DAY

    async def restart(self) -> None:
        """Replace the replicas, which die without a word: their lease has to run out."""
        store = self.replicas[0].store if self.replicas else None
        first = await self.stack.enter_async_context(a_replica(self.data_dir, clock=self.clock, store=store))
        second = await self.stack.enter_async_context(a_replica(self.data_dir, clock=self.clock, store=first.store))
        self.replicas = [first, second]

    async def look(self) -> None:
        for replica in self.random.sample(self.replicas, k=2):
            await replica.scheduler.look()
        jobs = self.replicas[0].store.collection("jobs")
        await jobs.update_many(eq("script.is_open", True), Update(set={"script.is_open": False, "state": "COMPLETED"}))

    async def go_to(self, at: int) -> None:
        """Pass true time with the servers up: each look comes some seconds after something is due."""
        for due in sorted({due for one in self.definitions for due in one.expected if self.now < due <= at}):
            self.clock.tick(max(0, due + self.random.randrange(20) - self.now))
            await self.look()
        self.clock.tick(max(0, at - self.now))
        await self.look()

    async def make(self) -> None:
        await self.restart()
        replica = self.replicas[0]
        cluster = await replica.a_cluster()
        for number in range(DEFINITIONS):
            zone = ZONES[number % len(ZONES)]
            crons = self.some_crons()
            policy = await replica.a_policy(timezone=zone, schedules=schedules_of(crons))
            one = Definition(await replica.a_backup(cluster, policy), policy, zone)
            self.expect(one, crons)
            self.definitions.append(one)

    def some_crons(self) -> list[Cron]:
        return [a_cron(self.random) for _ in range(self.random.choice([1, 1, 2]))]

    def expect(self, one: Definition, crons: list[Cron]) -> None:
        """Note what the reference says from now on, instead of what it said before."""
        before = one.expected[: bisect_right(one.expected, self.now)]
        coming = {at for cron in crons for at in fires(cron, zone=one.zone, start=self.now, end=self.end)}
        one.expected = [*before, *sorted(coming)]
        one.must_run = {at for at in one.must_run if at <= self.now} | set(one.expected[len(before) :])

    async def outage(self) -> None:
        """Nobody is there for a while; who comes makes up the latest run, if it is not too old, and reports what is."""
        gone = self.now
        self.clock.tick(self.random.choice([300, 2 * HOUR, 5 * HOUR, 20 * HOUR, 3 * DAY]))
        if self.random.random() < 0.5:
            await self.restart()
        back = self.now
        for one in self.definitions:
            missed = [at for at in one.expected if gone < at <= back]
            recent = [at for at in missed if at > back - BOUND]
            one.must_run -= set(missed) - set(recent[-1:])
            one.must_report |= set(missed[:1]) - set(recent)
        await self.look()

    async def jump(self) -> None:
        """The clock is ahead for a look; what that look starts early does not come again."""
        true, ahead = self.now, self.random.choice([90, HOUR, 2 * DAY, 200 * DAY])
        self.clock.tick(ahead)
        await self.look()
        for one in self.definitions:
            jobs = await self.replicas[0].store.collection("jobs").find(eq("backupdef", one.backup["_id"]))
            early = {job["scheduled_time"] for job in jobs if job["scheduled_time"] > true}
            one.may_run |= early
        self.clock.tick(true - self.now)
        await self.look()

    async def edit_policy(self) -> None:
        one, crons = self.random.choice(self.definitions), self.some_crons()
        body = {"name": one.policy["name"], "timezone": one.zone, "schedules": schedules_of(crons)}
        await self.replicas[1].send("PUT", f"policies/{one.policy['_id']}", body)
        self.expect(one, crons)
        await self.look()

    async def edit_definition(self) -> None:
        """Change definitions just before something is due, and again a moment later."""
        coming = [at for one in self.definitions for at in one.expected if at > self.now]
        await self.go_to(max(self.now, min(coming, default=self.now) - 5))
        for _ in range(2):
            for one in self.definitions:
                await self.replicas[0].send("PATCH", f"kubebackups/{one.backup['_id']}", {"description": str(self.now)})
            await self.go_to(self.now + 15)
        self.clock.tick(SETTLE_SECONDS + 1)
        await self.look()

    async def live(self) -> None:
        happenings = [self.outage, self.restart, self.jump, self.edit_policy, self.edit_definition]
        for at in sorted(self.random.sample(range(self.now + HOUR, self.end - 5 * DAY), k=EVENTS)):
            await self.go_to(max(at, self.now))
            await self.random.choice(happenings)()
            if self.replicas:
                self.clock.tick(31)
                await self.look()
        await self.go_to(self.end - 1)

    async def check(self) -> None:
        for one in self.definitions:
            jobs = await self.replicas[0].store.collection("jobs").find(eq("backupdef", one.backup["_id"]))
            ran = [job["scheduled_time"] for job in jobs if "was missed" not in job["message"]]
            reported = {job["scheduled_time"] for job in jobs if "was missed" in job["message"]}
            within = [at for at in ran if at < self.end]
            assert len(within) == len(set(within))
            assert one.must_run - set(within) == set()
            assert set(within) - one.must_run - one.may_run == set()
            assert one.must_report - reported == set()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.mark.parametrize("seed", [1, 2])
async def test_year_of_outages_restarts_jumps_and_edits_loses_and_doubles_no_run(tmp_path, stack, seed):
    year = Year(tmp_path / "data", Random(seed), stack)
    await year.make()
    await year.live()
    await year.check()
    left = await year.replicas[0].store.collection("kubebackups").count(Compare("schedule.due_at", "lte", year.now))
    assert left == 0


@pytest.mark.parametrize("zone", [*ZONES, "Africa/Cairo", "America/Havana", "Asia/Kolkata"])
@pytest.mark.parametrize("line", ["30 * * * *", "*/15 * * * *", "45 * 3 * *", "30 2 * * *", "*/30 0-3 * * *", "0 */2 * * *"])
def test_line_over_a_year_fires_as_looking_at_every_minute_says(zone, line):
    minute, hour, day, _, _ = line.split()
    hours = {"*": None, "2": frozenset({2}), "0-3": frozenset(range(4)), "*/2": frozenset(range(0, 24, 2))}[hour]
    step = int(minute[2:]) if minute.startswith("*/") else 0
    cron = Cron(frozenset(range(0, 60, step) if step else [int(minute)]), hours, None if day == "*" else frozenset({int(day)}))
    start, end = int(START.timestamp()), int(START.timestamp()) + 365 * DAY
    found = list(_until(line, zone, start, end))
    assert found == list(fires(cron, zone=zone, start=start, end=end))


def _until(line: str, zone: str, start: int, end: int) -> Any:
    for at in following(line, ZoneInfo(zone), after=start):
        if at >= end:
            return
        yield at
