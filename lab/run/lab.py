"""A lab from the outside: bring it up, use it, take it down. The one door for the command line, the tests and the demo.

    lab = Lab("demo")
    lab.up("node", parts=["mongo"])
    lab.start("server", ["cloudcasa-server"], ready="https://10.77.1.2:8443/healthz")
    lab.kubectl("get", "pods", "-A")
    lab.down()

Everything a lab runs hangs on one process, its holder; see `lab.run.holder` for how, `lab.run.up` for the order things start in, and
`lab.run.down` for how it all goes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import down as leaving
from . import environment, probe, state
from .client import Client, Running
from .errors import LabError
from .part import Part
from .probe import Probe
from .state import Profile, Record

Report = Callable[[str], None]

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TAIL_LINES = 15


def tell(text: str) -> None:
    """Print a line of progress where it does not mix with output."""
    print(text, file=sys.stderr, flush=True)


class Lab:
    """One lab, by name; it need not exist yet."""

    def __init__(self, name: str = "default", *, report: Report = tell) -> None:
        """Name a lab; `report` takes lines of progress."""
        self.name = name
        self.home = state.directory(name)
        self._report = report
        self._started = time.monotonic()

    def report(self, text: str) -> None:
        """Say a step of progress, with the seconds since this object began."""
        self._report(f"[{time.monotonic() - self._started:.0f} s] {text}")

    @property
    def record(self) -> Record:
        """The lab as recorded; LabError when there is none."""
        return state.get(self.name)

    @property
    def client(self) -> Client:
        """The holder of the lab; LabError when it does not run."""
        holder = state.find_holder(self.name)
        if holder is None or not holder.is_alive():
            raise LabError(f'The lab "{self.name}" does not run. Bring it up: python -m lab up --name {self.name}')
        return Client(self.home, holder=holder)

    @property
    def is_running(self) -> bool:
        """Whether the lab's holder lives."""
        holder = state.find_holder(self.name)
        return holder is not None and holder.is_alive()

    def up(self, profile: Profile | None = None, parts: Sequence[str] = (), *, report: Report | None = None) -> Record:
        """Bring the lab up, or add to it what is missing; return its record.

        The profile may be left out for a lab that exists; a new one is "control". `report` takes the lines of progress from now on.
        """
        self._report = report or self._report
        from .up import bring_up  # noqa: PLC0415 - `up` is written in terms of Lab

        return bring_up(self, profile=profile, parts=parts)

    def peer(self, other: str) -> None:
        """Lay a cable between this node lab and another, so that the pods of each reach the other's address."""
        from .up import join  # noqa: PLC0415 - as above

        join(self, other=Lab(other, report=self._report))

    def add_image(self, name: str) -> str:
        """Give a node lab an image, such as "agent", building it if need be; return its reference."""
        from .up import add_image  # noqa: PLC0415 - as above

        return add_image(self, name=name)

    def env(self) -> dict[str, str]:
        """Return what a program needs to use the lab: addresses, credentials, paths."""
        return environment.of(self.record, home=self.home)

    def start(
        self,
        part: str,
        argv: Sequence[str],
        *,
        ready: str | Probe | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = "/",
        timeout_seconds: float = 60,
    ) -> Running:
        """Start a further supervised process inside the lab and wait until it is ready: an address that answers 200, or a probe.

        It gets the lab's variables and `env`, and ends with the lab. One that runs under this name already is left as it is.
        """
        probe_maker: Callable[[int | None], Probe] | None = None
        if isinstance(ready, str):
            address = ready
            probe_maker = lambda inside: probe.url(address, inside=inside)  # noqa: E731
        elif ready is not None:
            asked = ready
            probe_maker = lambda _inside: asked  # noqa: E731
        described = Part(part, argv=list(argv), env={**self.env(), **(env or {})}, ready=probe_maker, timeout_seconds=timeout_seconds)
        return self.start_part(described, cwd=cwd)

    def start_part(self, part: Part, *, cwd: str | Path | None = None) -> Running:
        """Start one part and wait until it is ready; its log's end is in the error when it is not."""
        client = self.client
        record = self.record
        began = time.monotonic()
        env = {"PATH": SYSTEM_PATH, "HOME": str(self.home), "LANG": "C.UTF-8", **part.env, "CLOUDCASA_LAB_TOKEN": record.token}
        log = self.log_path(part.name)
        answer = client.ask(op="start", part=part.name, argv=list(part.argv), env=env, cwd=str(cwd or self.home), log=str(log))
        if answer["already"]:
            self.report(f"{part.name} is already running")
            return client.parts()[part.name]
        asked = part.ready(client.holder.pid if record.number else None) if part.ready else None
        while True:
            running = client.parts()[part.name]
            if running.exit_status is not None:
                raise LabError(f"{part.name} ended with status {running.exit_status} before it was ready. {self.tail(part.name)}")
            if asked is None or probe.holds(asked):
                break
            if time.monotonic() - began > part.timeout_seconds:
                raise LabError(f"{part.name} was not ready after {part.timeout_seconds:.0f} s. {self.tail(part.name)}")
            time.sleep(0.05)
        self.report(f"{part.name} ready after {time.monotonic() - began:.1f} s")
        return running

    def stop(self, part: str, sig: signal.Signals = signal.SIGTERM, *, timeout_seconds: float = 20) -> None:
        """End one part with a signal and wait; one that does not end in time is killed. None of that name is fine."""
        client = self.client
        deadline = time.monotonic() + timeout_seconds
        sent: signal.Signals | None = sig
        while (running := client.find(part)) and running.exit_status is None:
            if sent is not None:
                client.ask(op="signal", part=part, number=int(sent))
                sent = None
            if time.monotonic() > deadline:
                sent, deadline = signal.SIGKILL, time.monotonic() + timeout_seconds
            time.sleep(0.02)
        client.ask(op="forget", part=part)

    def exec(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002 - as subprocess.run spells it
        check: bool = True,
        timeout_seconds: float | None = 120,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the lab, with the lab's variables, and return what it said."""
        done = subprocess.run(
            self.command(argv), input=input, text=True, capture_output=True, timeout=timeout_seconds, check=False,
            env={**self.command_env(), **(env or {})},
        )  # fmt: skip
        if check and done.returncode:
            raise LabError(f"`{' '.join(argv)}` in the lab {self.name} ended with status {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs a command inside the lab."""
        client = self.client
        if not self.record.number:
            return list(argv)
        return ["nsenter", f"--target={client.holder.pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--wdns=/", "--", *argv]

    def command_env(self) -> dict[str, str]:
        """Return the environment of commands run inside the lab: one's own and the lab's."""
        env = {**os.environ, **self.env()}
        programs = str(Path(env["LAB_KUBECTL"]).parent)
        return {**env, "PATH": f"{env.get('PATH', '')}:{programs}:{SYSTEM_PATH}"}

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002 - as subprocess.run spells it
        """Run kubectl as the lab's admin, from the host, and return its output."""
        env = self.env()
        argv = [env["LAB_KUBECTL"], f"--kubeconfig={env['KUBECONFIG']}", f"--cache-dir={self.home}/kubectl-cache", *arguments]
        # The lab's word lets `down` find it, should this process be killed and leave it behind.
        named = {**os.environ, "CLOUDCASA_LAB_TOKEN": self.record.token}
        done = subprocess.run(argv, input=input, text=True, capture_output=True, check=False, timeout=300, env=named)
        if check and done.returncode:
            raise LabError(f"`kubectl {' '.join(arguments)}` in the lab {self.name} failed: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def parts(self) -> dict[str, Running]:
        """Return every part started in this lab, ended ones included."""
        return self.client.parts()

    def log_path(self, part: str) -> Path:
        """Return where a part's output goes."""
        return self.home / f"log/{part}.log"

    def tail(self, part: str) -> str:
        """Return the end of a part's log, for an error message."""
        try:
            lines = self.log_path(part).read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        except FileNotFoundError:
            lines = []
        return f"Its log ({self.log_path(part)}) ends:\n" + "\n".join(f"    {line[:400]}" for line in lines)

    def down(self) -> None:
        """Take the lab down and leave nothing of it behind. A lab that is not there is fine."""
        leaving.take_down(self.name, report=self.report)
