"""`make bench ARGS="--only api"`: this server beside Eve on the same database, and this server at a million jobs.

Beside Eve (the framework whose conventions the API follows): the same schema, database (FerretDB v2), indexes and process count, in alternating
rounds of one run. Eve runs under gunicorn in an environment of its own. Processor time per request is measured too, of the server and of
the database, since on a machine where all share two cores throughput alone says little about either.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import orjson

from tests.bench.load import connect, request, saturate
from tests.bench.report import busy, machine, put_section
from tests.support.mongo_standin import MongoStandIn, mongo_standin

TITLE = "The REST API beside Eve"
GOAL = 5.0
CONNECTIONS = 16
SEEDED = 2_000
ZONES = ("UTC", "Europe/Berlin", "Asia/Tokyo")
EVE = ("eve==2.3.1", "gunicorn==27.0.1")
_HERE = Path(__file__).parent


@dataclass
class Side:
    """One of the two servers while it runs."""

    name: str
    port: int
    key: str
    pid: int
    rounds: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)
    """What was asked -> (answers a second, server's and database's processor milliseconds for each) of every round."""


def main(*, rounds: int, requests: int) -> None:
    """Measure and write the section."""
    with tempfile.TemporaryDirectory(prefix="cloudcasa-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        standin = stack.enter_context(mongo_standin(home / "mongo"))
        eve = stack.enter_context(_eve(home, standin.url))
        ours = stack.enter_context(_ours(home, standin.url))
        for side in (eve, ours):
            asyncio.run(_seed(side))
        for number in range(rounds):
            for side in (eve, ours):
                asyncio.run(_round(side, standin, number, requests))
        text = _report(eve, ours, rounds=rounds, requests=requests)
    put_section(TITLE, text)
    print(text)


@contextmanager
def _eve(home: Path, url: str) -> Iterator[Side]:
    python = _environment()
    key, port = "k" * 120, _free_port()
    command = [
        str(python),
        "-m",
        "gunicorn",
        "-w1",
        "-kgthread",
        f"--threads={CONNECTIONS}",
        "--keep-alive=60",
        f"-b127.0.0.1:{port}",
        "eve_app:app",
    ]
    env = {**os.environ, "BENCH_MONGO": f"{url}eve", "BENCH_KEY": key}
    with (home / "eve.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=_HERE / "eve", env=env, stdout=log, stderr=log)
    yield from _running(process, Side("Eve", port, key, process.pid))


def _environment() -> Path:
    """Return the Python of an environment with Eve, made once and kept with what the lab builds."""
    from lab.build import cache_root

    place = cache_root() / "bench-eve"
    python = place / "bin/python"
    if not (place / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *EVE], check=True)
        (place / "complete").touch()
    return python


@contextmanager
def _ours(home: Path, url: str) -> Iterator[Side]:
    with serving(home / "data", url=f"{url}ours") as side:
        yield side


@contextmanager
def serving(data_dir: Path, *, url: str = "", cpu: int | None = None) -> Iterator[Side]:
    """Give our server as a process of its own, on one core where asked to."""
    port = _free_port()
    program = Path(sys.executable).with_name("cloudcasa-server")
    pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
    command = [*pinned, str(program), "serve", "--data-dir", str(data_dir), "--host", "127.0.0.1", "--port", str(port)]
    env = {**os.environ, "CLOUDCASA_TLS": "false", "CLOUDCASA_ACCESS_LOG": "false", **({"CLOUDCASA_DATABASE_URL": url} if url else {})}
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    side = Side("CloudCasa", port, "", process.pid)
    for running in _running(process, side, seconds=600):
        running.key = (data_dir / "bootstrap-key").read_text().strip()
        yield running


def _running(process: subprocess.Popen[bytes], side: Side, *, seconds: float = 60) -> Iterator[Side]:
    try:
        ends_at = time.monotonic() + seconds
        while not _answers(side.port):
            if process.poll() is not None or time.monotonic() > ends_at:
                raise RuntimeError(f"{side.name} did not start")
            time.sleep(0.2)
        yield side
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _policy(name: str, number: int) -> bytes:
    schedules = [{"retainDays": 7, "schedule": {"cronSpec": f"{number % 60} 1 * * *"}}]
    return orjson.dumps({"name": name, "timezone": ZONES[number % len(ZONES)], "schedules": schedules})


async def _seed(side: Side) -> None:
    await _posts(side, "seed", SEEDED)


async def _posts(side: Side, tag: str, count: int) -> None:
    def make(number: int) -> bytes:
        return request("POST", "/api/v1/policies", key=side.key, body=_policy(f"{tag}-{number:05}", number))

    _must_be_good(side, await saturate(side.port, make, connections=CONNECTIONS, requests=count))


async def _lists(side: Side, count: int) -> None:
    wheres = [quote(orjson.dumps({"timezone": zone})) for zone in ZONES]

    def make(number: int) -> bytes:
        target = f"/api/v1/policies?where={wheres[number % 3]}&sort=name&page={1 + number % 20}&max_results=25"
        return request("GET", target, key=side.key)

    _must_be_good(side, await saturate(side.port, make, connections=CONNECTIONS, requests=count))


async def _gets(side: Side, items: list[dict[str, str]], count: int) -> None:
    def make(number: int) -> bytes:
        return request("GET", f"/api/v1/policies/{items[number % len(items)]['_id']}", key=side.key)

    _must_be_good(side, await saturate(side.port, make, connections=CONNECTIONS, requests=count))


async def _patches(side: Side, items: list[dict[str, str]], count: int) -> None:
    """Change one document on each connection, each time with the etag of the answer before."""

    async def worker(item: dict[str, str]) -> None:
        connection, etag, target = await connect(side.port), item["_etag"], f"/api/v1/policies/{item['_id']}"
        for number in range(count // CONNECTIONS):
            body = orjson.dumps({"tags": {"n": f"{secrets.token_hex(4)}-{number}"}})
            answer = await connection.ask(request("PATCH", target, key=side.key, etag=etag, body=body))
            if answer.status != 200:
                raise RuntimeError(f"{side.name} answered PATCH with {answer.status}: {answer.body[:300]!r}")
            etag = orjson.loads(answer.body)["_etag"]
        connection.close()

    await asyncio.gather(*(worker(item) for item in items[:CONNECTIONS]))


def _must_be_good(side: Side, measured: object) -> None:
    failed = getattr(measured, "failed", [])
    if failed:
        raise RuntimeError(f"{side.name} answered {failed[0].status}: {failed[0].body[:300]!r}")


async def _round(side: Side, standin: MongoStandIn, number: int, requests: int) -> None:
    connection = await connect(side.port)
    answer = await connection.ask(request("GET", "/api/v1/policies?max_results=50&sort=name", key=side.key))
    items = orjson.loads(answer.body)["_items"]
    connection.close()
    asked: dict[str, Callable[[], Awaitable[None]]] = {
        "list, `where` + `sort` + `page`": lambda: _lists(side, requests),
        "GET of an item": lambda: _gets(side, items, requests),
        "PATCH with If-Match": lambda: _patches(side, items, requests),
        "POST": lambda: _posts(side, f"round-{number}-{secrets.token_hex(2)}", requests),
    }
    for what, act in asked.items():
        before, database, began = processor_seconds(side.pid), _database_seconds(standin), time.perf_counter()
        await act()
        seconds = time.perf_counter() - began
        spent = (processor_seconds(side.pid) - before, _database_seconds(standin) - database)
        count = requests // CONNECTIONS * CONNECTIONS if what.startswith("PATCH") else requests
        side.rounds.setdefault(what, []).append((count / seconds, *(1000 * one / count for one in spent)))
        print(
            f"  {side.name:10} {what:32} {count / seconds:7.0f}/s  server {1000 * spent[0] / count:.2f} ms  database {1000 * spent[1] / count:.2f} ms",
            flush=True,
        )


def _database_seconds(standin: MongoStandIn) -> float:
    return standin.processor_seconds("postgres") + standin.processor_seconds("ferretdb")


def processor_seconds(pid: int) -> float:
    """Return how much processor time a process and its children have used."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        if int(path.parent.name) == pid or int(fields[1]) == pid:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _report(eve: Side, ours: Side, *, rounds: int, requests: int) -> str:
    rows = []
    for what in ours.rounds:
        theirs, own = ([statistics.median(values) for values in zip(*side.rounds[what], strict=True)] for side in (eve, ours))
        ratio, lean = own[0] / theirs[0], theirs[1] / own[1]
        each = ", ".join(f"{one[0]:.0f}" for one in ours.rounds[what])
        rows.append(
            f"| {what} | {theirs[0]:.0f}/s | {own[0]:.0f}/s ({each}) | **{ratio:.1f}×** | {theirs[1]:.2f} ms | {own[1]:.2f} ms | "
            f"**{lean:.1f}×** | {theirs[2]:.2f} / {own[2]:.2f} ms |"
        )
    return f"""{machine()}. FerretDB v2 on PostgreSQL with DocumentDB, load generator and server share the cores. Goal: ≥ {GOAL:g}× Eve's throughput.

{", ".join(EVE)} (gunicorn, one process, {CONNECTIONS} threads) and CloudCasa (one process) serve `policies` with the same schema, unique name and
indexes, each over {SEEDED} documents of its own, to {CONNECTIONS} connections. {rounds} alternating rounds of {requests} requests each;
medians, and every round of ours in brackets. *Processor*: time of the server's own process for each request; *database*: of FerretDB and
PostgreSQL, Eve's / ours. Writes of ours include the entry in the audit log, which Eve does not have.
{busy()}

| what | Eve | CloudCasa | throughput | Eve's processor | ours | less | database |
|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}
"""
