"""`make bench ARGS="--only scheduler"`: what a day of schedules costs one replica, in processor seconds. The day is simulated, the work is not.

The server's own scheduler looks at its database (SQLite) on a clock that is moved: at each minute of the day, and between them as often as costs to
measure a look at which nothing is due. Opening the jobs counts; running them does not, since agents and Velero do that.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import structlog
from cloudcasa_server.kit.store import Update, eq

from tests.bench.report import machine, put_section
from tests.support.clock import FakeClock
from tests.support.scheduled import SETTLE_SECONDS, Scheduled, a_replica

TITLE = "A day of schedules"
START = datetime(2027, 3, 27, 22, 0, tzinfo=UTC)
DAY_SECONDS = 86_400
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
IDLE_LOOKS = 2_000
GOAL_PERCENT = 5.0


@dataclass
class Costs:
    """Processor seconds."""

    firing: float = 0.0
    idle_look: float = 0.0
    longest_look: float = 0.0
    runs: int = 0

    @property
    def per_day(self) -> float:
        return self.firing + self.idle_look * DAY_SECONDS


def main(*, definitions: int) -> None:
    """Measure and write the section."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="cloudcasa-scheduler-") as directory:
        costs = asyncio.run(_measure(Path(directory), definitions))
    text = _report(costs, definitions)
    put_section(TITLE, text)
    print(text)


async def _measure(data_dir: Path, definitions: int) -> Costs:
    async with a_replica(data_dir, clock=FakeClock(START)) as replica:
        await _fill(replica, definitions)
        await replica.pass_time(SETTLE_SECONDS + 1)
        costs = Costs()
        costs.idle_look = await _idle(replica)
        for _ in range(DAY_SECONDS // 60):
            replica.clock.tick(60 - replica.now % 60)
            await _look(replica, costs)
        return costs


async def _fill(replica: Scheduled, definitions: int) -> None:
    random = Random(7)
    policies = [await replica.a_policy(_line(random, number), timezone=ZONES[number % 3]) for number in range(300)]
    clusters = [await replica.a_cluster() for _ in range(50)]
    backups, schedules = replica.documents("kubebackups"), replica.scheduler.schedules
    for number in range(definitions):
        fields = {"name": f"backup-{number}", "cluster": clusters[number % 50]["_id"], "policy": policies[number % 300]["_id"]}
        await backups.insert(await schedules.marked(backups.new(fields | {"source": {"all_namespaces": True}})))


def _line(random: Random, number: int) -> str:
    """Return a line: sixteen of twenty policies run once a day, three every six hours, one every hour."""
    minute = random.randrange(60)
    return (
        f"{minute} {random.randrange(24)} * * *" if number % 20 < 16 else f"{minute} */6 * * *" if number % 20 < 19 else f"{minute} * * * *"
    )


async def _idle(replica: Scheduled) -> float:
    began = time.process_time()
    for _ in range(IDLE_LOOKS):
        await replica.pass_time(0.001)
    return (time.process_time() - began) / IDLE_LOOKS


async def _look(replica: Scheduled, costs: Costs) -> None:
    began = time.process_time()
    await replica.scheduler.look()
    spent = time.process_time() - began
    costs.firing += spent
    costs.longest_look = max(costs.longest_look, spent)
    jobs = replica.store.collection("jobs")
    costs.runs += await jobs.update_many(eq("script.is_open", True), Update(set={"script.is_open": False, "state": "COMPLETED"}))


def _report(costs: Costs, definitions: int) -> str:
    percent = 100 * costs.per_day / DAY_SECONDS
    return f"""{machine()}. SQLite, one replica, {definitions:,} definitions of 300 policies in three zones, on a day on which a clock changes:
80 % run daily, 15 % every six hours, 5 % hourly. Processor time of the scheduler with opening the jobs, not of running them.

| what | | goal |
|---|---|---|
| runs started on the day | {costs.runs:,} | |
| processor seconds for a run | {1000 * costs.firing / max(costs.runs, 1):.1f} ms | |
| a look at which nothing is due, each second | {1000 * costs.idle_look:.2f} ms | |
| the longest look | {costs.longest_look:.1f} s | |
| processor seconds for the day | {costs.per_day:.0f} s | |
| share of one core | {percent:.2f} % | < {GOAL_PERCENT:g} % |
"""
