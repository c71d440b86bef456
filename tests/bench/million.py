"""`make bench ARGS="--only million"`: the list calls of Rancher and Terraform at a million jobs, on one core, 50 requests a second.

Requests start at their times whether or not the earlier ones are answered, and each latency counts from the time it was due (load.py). The
server holds one core by itself; the load generator has the others. Memory is read while it works, since it must stay flat.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from cloudcasa_server.kit.store.opening import FILE_NAME
from cloudcasa_server.kit.store.sqlite import SqliteStore

from tests.bench import seed
from tests.bench.api import Side, serving
from tests.bench.load import Measured, pace, request
from tests.bench.report import busy, machine, put_section
from tests.support.known_lists import known_lists

TITLE = "Lists at a million jobs"
PER_SECOND = 50.0
SECONDS = 20.0
GOAL_MILLISECONDS = 50.0
GOAL_MIB = 300.0
CPU = 0


@dataclass(frozen=True)
class Row:
    """What one call showed."""

    name: str
    measured: Measured
    memory_mib: float


def main(*, jobs: int) -> None:
    """Measure and write the section."""
    with tempfile.TemporaryDirectory(prefix="cloudcasa-million-") as directory:
        data_dir = Path(directory)
        asyncio.run(_fill(data_dir, jobs))
        with serving(data_dir, cpu=CPU) as side:
            os.sched_setaffinity(0, set(os.sched_getaffinity(0)) - {CPU} or {CPU})
            rows = asyncio.run(_measure(side, jobs))
        size = (data_dir / FILE_NAME).stat().st_size / 2**30
    text = _report(rows, jobs=jobs, size_gib=size)
    put_section(TITLE, text)
    print(text)


async def _fill(data_dir: Path, jobs: int) -> None:
    store = SqliteStore(data_dir / FILE_NAME, synchronous="OFF")
    for name, documents in seed.collections(jobs).items():
        print(f"  storing {name}…", flush=True)
        await seed.fill(store, documents, name)
    await store.close()


async def _measure(side: Side, jobs: int) -> list[Row]:
    calls = [_calls(jobs, cluster) for cluster in range(seed.CLUSTERS)]
    rows = [Row("(at rest)", Measured(), _memory_mib(side.pid))]
    for name in (*calls[0], "all of them in turn"):
        targets = [target for each in calls for target in (each.values() if name not in each else (each[name],))]

        def make(number: int, targets: list[str] = targets) -> bytes:
            return request("GET", targets[number * 7 % len(targets)], key=side.key)

        measured = await pace(side.port, make, per_second=PER_SECOND, seconds=SECONDS)
        if measured.failed:
            raise RuntimeError(f"{name}: {measured.failed[0].status} {measured.failed[0].body[:300]!r}")
        rows.append(Row(name, measured, _memory_mib(side.pid)))
        print(
            f"  {name:28} p50 {1000 * measured.percentile(0.5):6.1f} ms  p99 {1000 * measured.percentile(0.99):6.1f} ms  {rows[-1].memory_mib:.0f} MiB",
            flush=True,
        )
    return rows


def _calls(jobs: int, cluster: int) -> dict[str, str]:
    """Return the targets of the known lists for a cluster, one of its backups, and jobs of the last day."""
    backup = seed.document_id(2, cluster)
    since = seed.START + 60 * (jobs - 24 * 60)
    known = known_lists(cluster=seed.document_id(1, cluster), backup=backup, since=since)
    return {name: f"/api/v1/{resource}?{urlencode(parameters)}" for name, (resource, parameters) in known.items()}


def _memory_mib(pid: int) -> float:
    """Return what the server and its children hold in memory, without the pages of files."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            text = path.read_text()
        except OSError:
            continue  # ended meanwhile
        parent = int(re.search(r"^PPid:\s+(\d+)", text, re.MULTILINE)[1])  # type: ignore[index]  # every process has a parent
        if pid in {int(path.parent.name), parent} and (found := re.search(r"^VmRSS:\s+(\d+)", text, re.MULTILINE)):
            total += int(found[1])
    return total / 1024


def _report(rows: list[Row], *, jobs: int, size_gib: float) -> str:
    lines = [f"| {row.name} | {_times(row.measured)} | {row.memory_mib:.0f} MiB |" for row in rows]
    return f"""{machine()}. Embedded database (SQLite, {size_gib:.1f} GiB): {jobs} jobs, {jobs // seed.POINTS_SHARE} recovery points,
{seed.RESTORES} restores, {seed.BACKUPS} backups, {seed.CLUSTERS} clusters. One server process on one core (`taskset`), {PER_SECOND:g} requests a second
for {SECONDS:g} s each, started at their times whether or not earlier ones are answered; latencies count from when a request was due.
The exact queries of both clients (rest-api.md 4.4 and 5, `embedded` included), going round all clusters.
Goals: p99 < {GOAL_MILLISECONDS:g} ms, memory < {GOAL_MIB:g} MiB and flat. {busy()}

| call | p50 | p99 | slowest | memory after |
|---|---|---|---|---|
{chr(10).join(lines)}
"""


def _times(measured: Measured) -> str:
    if not measured.latencies:
        return "– | – | –"
    p50, p99 = measured.percentile(0.5), measured.percentile(0.99)
    return f"{1000 * p50:.1f} ms | **{1000 * p99:.1f} ms** | {1000 * max(measured.latencies):.1f} ms"
