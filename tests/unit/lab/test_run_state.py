"""What a lab writes down: private, whole, with credentials of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.run import Lab, LabError, environment, state
from lab.run.client import Client
from lab.run.kernel import Process
from lab.run.probe import wait

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "cloudcasa-lab"


def test_record_comes_back_as_it_was_saved() -> None:
    assert state.find("one") is None
    record = state.create("one", profile="control")
    assert state.get("one") == record


def test_files_are_closed_to_others(home: Path) -> None:
    state.create("one", profile="control")
    assert (home / "one").stat().st_mode & 0o777 == 0o700
    assert (home / "one/lab.json").stat().st_mode & 0o777 == 0o600


def test_two_labs_share_neither_ports_nor_credentials() -> None:
    one, two = (state.create(name, profile="control") for name in ("one", "two"))
    assert not set(one.ports.values()) & set(two.ports.values())
    assert one.s3_secret_key != two.s3_secret_key
    assert one.token != two.token


@pytest.mark.parametrize("name", ["", "../x", "Upper", "a" * 25, "-a", "a b"])
def test_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="Cannot use"):
        state.directory(name)


def test_unknown_lab_names_the_command_that_makes_it() -> None:
    with pytest.raises(LabError, match="python -m lab up --name one"):
        Lab("one").env()


def test_environment_holds_what_a_program_needs(home: Path) -> None:
    record = state.create("one", profile="control")
    variables = environment.of(record, home=home / "one")
    assert variables["LAB_S3_ENDPOINT"] == f"http://127.0.0.1:{record.ports['s3']}"
    assert variables["KUBECONFIG"] == str(home / "one/admin.kubeconfig")
    assert "LAB_MONGO_URL" not in variables


def test_recycled_process_number_is_never_taken_for_the_same_process() -> None:
    mine = Process.of(os.getpid())
    assert mine.is_alive()
    later = Process(pid=mine.pid, start=mine.start - 1, boot=mine.boot)
    assert not later.is_alive()
    later.send(signal.SIGKILL)


def test_holder_starts_reports_and_ends_processes(home: Path) -> None:
    record = state.create("one", profile="control")
    folder = home / "one"
    environment_of_launch = {"PYTHONPATH": str(Path(__file__).parents[3]), "CLOUDCASA_LAB_TOKEN": record.token}
    subprocess.run([sys.executable, "-m", "lab.run.launch", str(folder)], check=True, env=environment_of_launch, capture_output=True)
    lab = Lab("one", report=lambda _: None)
    try:
        holder = state.find_holder("one")
        assert holder
        client = Client(folder, holder=holder)
        wait("the holder answers", until=lambda: client.ask(op="list") == {"parts": {}}, timeout_seconds=5)
        lab.start("sleeper", ["sleep", "60"])
        sleeper = Process.of(lab.parts()["sleeper"].pid)
        assert lab.start("sleeper", ["false"]).pid == sleeper.pid
        with pytest.raises(LabError, match="not-a-program"):
            lab.start("broken", ["not-a-program"])
        with pytest.raises(LabError, match=r"(?s)ended with status 3.*last words"):
            lab.start("short", ["sh", "-c", "echo last words; exit 3"], ready=lambda: False)
        lab.stop("sleeper")
        assert not sleeper.is_alive()
        lab.start("other", ["sleep", "60"])
        other = Process.of(lab.parts()["other"].pid)
    finally:
        lab.down()
    assert not other.is_alive()
    assert not folder.exists()
