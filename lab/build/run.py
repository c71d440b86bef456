"""Running a build command with its output in a log, and a sign of life while something takes long."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .cache import cache_root
from .errors import BuildFailedError

Report = Callable[[str], None]
BEAT_SECONDS = 30.0
TAIL_LINES = 12


def log_path(name: str) -> Path:
    """Return the log of an artifact's last build."""
    folder = cache_root() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"


def run(command: Sequence[str], *, log: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run a command to its end; raise BuildFailedError with the end of its output when it fails."""
    with log.open("a", encoding="utf-8") as out:
        out.write(f"$ {' '.join(command)}\n")
        out.flush()
        done = subprocess.run(
            ["nice", *command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise BuildFailedError(f"`{Path(command[0]).name}` ended with {done.returncode}; its log {log} ends with:\n{_tail(log)}")


def capture(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Return what a short command prints; raise BuildFailedError when it fails."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildFailedError(f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:])


@contextmanager
def heartbeat(report: Report, what: str) -> Iterator[None]:
    """Say every half minute that `what` is still going on, so that nobody takes a long build for a hung one."""
    started = time.monotonic()
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            report(f"still building {what}, {time.monotonic() - started:.0f} s")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
