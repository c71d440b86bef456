"""`make bench`: backup and restore by us and by stock Velero, on the same cluster, the same applications, in turns.

In turns, so that whatever else the machine does meets both. The agent installs its engine first, since it refuses a cluster where a
Velero is already; stock Velero comes second, in a namespace of its own, by its default install, and is used with `--wait`. We are used through the
REST API, timed from the request to the job's end. Medians and ratios go to docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from lab.build import image_ref
from lab.run import Lab
from tests.bench import api, million, scheduler
from tests.bench.report import machine, put_section
from tests.support.protected import Application, Protected, protect
from tools.system import System

TITLE = "Backup and restore beside stock Velero"
GOALS = {"objects": 1.1, "volume": 0.6}

LONGEST_POLL_SECONDS = 15.0
"""Kubernetes binds volumes anew every 15 seconds, stock Velero looks at data movements every 10; a round that ends with such a look would
begin the next one always at the same moment of it."""

OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings-{number}, namespace: {namespace}}}
data: {{number: "{number}"}}
"""


@dataclass
class Times:
    """Seconds of each round, by what was done."""

    who: str
    rounds: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def measure(self, subject: str, verb: str, act: Callable[[], None]) -> None:
        """Do it and note how long it took; begin at a random moment, since what is measured is largely waiting for somebody's next look."""
        time.sleep(random.uniform(0.0, LONGEST_POLL_SECONDS))
        began = time.monotonic()
        act()
        seconds = time.monotonic() - began
        self.rounds.setdefault((subject, verb), []).append(seconds)
        print(f"{self.who:12}  {subject:8} {verb:8} {seconds:6.2f} s", flush=True)


def main() -> int:
    """Run the benchmark and write the report."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each is done (default 3)")
    parser.add_argument("--mib", type=int, default=200, help="random data in the volume, in MiB (default 200)")
    parser.add_argument("--only", choices=("velero", "api", "million", "scheduler"), help="measure one part (default: all)")
    parser.add_argument("--requests", type=int, default=1_600, help="requests of each kind in each round beside Eve (default 1600)")
    parser.add_argument("--jobs", type=int, default=1_000_000, help="jobs stored for the part `million` (default 1000000)")
    parser.add_argument("--definitions", type=int, default=10_000, help="backup definitions for the part `scheduler` (default 10000)")
    options = parser.parse_args()
    if options.only in {None, "api"}:
        api.main(rounds=options.rounds, requests=options.requests)
    if options.only in {None, "million"}:
        million.main(jobs=options.jobs)
    if options.only in {None, "scheduler"}:
        scheduler.main(definitions=options.definitions)
    if options.only in {None, "velero"}:
        _velero(options)
    return 0


def _velero(options: argparse.Namespace) -> None:
    lab = Lab("bench")
    lab.up("node", report=lambda line: print(line, file=sys.stderr, flush=True))
    try:
        text = _measure(System(lab), options)
        put_section(TITLE, text)
        print(text)
    finally:
        if not os.environ.get("CLOUDCASA_KEEP_LAB"):
            lab.down()


def _measure(system: System, options: argparse.Namespace) -> str:
    system.start()
    protected = protect(system)
    _install_stock(system)
    subjects = {"objects": _objects(system), "volume": _volume(system, mib=options.mib)}
    stock, ours = Times("stock Velero"), Times("CloudCasa")
    for number in range(options.rounds):
        for name, subject in subjects.items():
            turns = [partial(_round_of_stock, system, stock, name, subject), partial(_round_of_ours, protected, ours, name, subject)]
            for turn in turns if number % 2 == 0 else reversed(turns):
                turn()
    return _report(stock, ours, options)


def _install_stock(system: System) -> None:
    """Install stock Velero, which takes a bucket with anything else in it for broken: so by a prefix, one of its own options."""
    system.lab.up(parts=["velero"])
    prefix = json.dumps({"spec": {"objectStorage": {"prefix": "stock"}}})
    system.kubectl("-n", "velero", "patch", "backupstoragelocation", "default", "--type=merge", "--patch", prefix)


def _objects(system: System) -> Application:
    app = Application(system, image=image_ref("busybox"))
    system.kubectl("create", "namespace", app.namespace)
    documents = "---".join(OBJECTS.format(namespace=app.namespace, number=number) for number in range(50))
    system.kubectl("apply", "-f", "-", stdin=documents)
    return app


def _volume(system: System, *, mib: int) -> Application:
    app = Application(system, image=image_ref("busybox"))
    app.create(mib=mib)
    return app


def _round_of_stock(system: System, times: Times, name: str, app: Application) -> None:
    backup = f"stock-{name}-{time.time_ns()}"
    before = _state(name, app)
    velero = [system.env["LAB_VELERO"], "--kubeconfig", system.env["KUBECONFIG"], "--namespace", "velero"]

    def run(*arguments: str) -> None:
        said = subprocess.run([*velero, *arguments, "--wait"], check=True, capture_output=True, text=True).stdout
        assert "completed with status: Completed" in said, said

    times.measure(name, "backup", lambda: run("backup", "create", backup, "--include-namespaces", app.namespace, "--snapshot-move-data"))
    app.delete()
    times.measure(name, "restore", lambda: run("restore", "create", f"{backup}-r", "--from-backup", backup))
    _must_be_back(name, app, before)


def _round_of_ours(protected: Protected, times: Times, name: str, app: Application) -> None:
    before = _state(name, app)
    definition = protected.define_backup(app.namespace)
    jobs: list[str] = []

    def back_up() -> None:
        jobs.append(protected.run(definition))
        job = protected.client.wait_for_job(jobs[0])
        assert job["state"] == "COMPLETED", job

    times.measure(name, "backup", back_up)
    point = protected.recovery_point(jobs[0])
    app.delete()

    def restore() -> None:
        job = protected.restore(point, namespaces=[app.namespace])
        assert job["state"] == "COMPLETED", job

    times.measure(name, "restore", restore)
    _must_be_back(name, app, before)


def _state(name: str, app: Application) -> object:
    if name == "volume":
        return app.fingerprint()
    return app.place.kubectl("-n", app.namespace, "get", "configmap", "-o", "jsonpath={.items[*].data.number}").split()


def _must_be_back(name: str, app: Application, before: object) -> None:
    if name == "volume":
        app.wait()
    assert _state(name, app) == before, "the restored application differs"


def _report(stock: Times, ours: Times, options: argparse.Namespace) -> str:
    rows = []
    for subject, verb in stock.rounds:
        theirs, own = stock.rounds[subject, verb], ours.rounds[subject, verb]
        ratio = statistics.median(own) / statistics.median(theirs)
        rows.append(f"| {subject} | {verb} | {_show(theirs)} | {_show(own)} | **{ratio:.2f}×** | ≤ {GOALS[subject]}× |")
    return f"""{machine()}, one node, Kubernetes of the lab, Velero v1.18.3 on both sides.

*objects*: 50 ConfigMaps. *volume*: a Deployment with {options.mib} MiB of random data and 500 small files, moved to S3 from a CSI snapshot.
Stock Velero: default install, `velero backup create --snapshot-move-data --wait`, `velero restore create --wait`.
CloudCasa: from the POST that starts the run to the state COMPLETED, catalogue and recovery point included.
Both are installed side by side and take turns. Each act begins at a random moment, so that it does not
always meet the polls of Velero and Kubernetes (10 and 15 s) at the same point.
{options.rounds} rounds each; the median, with every round in brackets. Each restore was compared with what had been lost.

| what | | stock Velero | CloudCasa | ratio | goal |
|---|---|---|---|---|---|
{chr(10).join(rows)}
"""


def _show(seconds: list[float]) -> str:
    digits = 2 if statistics.median(seconds) < 10 else 1
    return f"{statistics.median(seconds):.{digits}f} s ({', '.join(f'{s:.{digits}f}' for s in seconds)})"


if __name__ == "__main__":
    sys.exit(main())
