"""`make demo`, as a person runs it: from nothing to a verified restore, and once more over what is there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]


def demo(command: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CLOUDCASA_DEMO_")}
    done = subprocess.run(
        [sys.executable, "-m", "tools.demo", command, "--name", "test-demo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def first() -> Iterator[str]:
    yield demo("up")
    demo("down")


def test_lost_application_comes_back_equal(first):
    assert "The application came back equal" in " ".join(first.split())
    for part in ("Object store", "Cluster", "Agent ACTIVE", "Application", "Backup", "Loss", "Restore", "Comparison", "API key"):
        assert part in first


def test_second_run_says_what_is_there_and_goes_through(first):
    second = demo("up")
    assert "The application came back equal" in " ".join(second.split())
    assert second.count("already there") >= 5
