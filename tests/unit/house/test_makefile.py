"""The commands of the README and of CI are there, explained, and made ready by themselves."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROMISED = (
    "demo test check unit integration lab-test bench docs build lab-up lab-down demo-down init fmt help".split()  # noqa: SIM905 - as in the docs
)


@pytest.fixture(scope="module")
def rules() -> dict[str, str]:
    """Return the prerequisites of each target."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z][a-z-]*):(?!=)([^#\n]*)", text, flags=re.MULTILINE))


def needed_by(command: str, rules: dict[str, str]) -> set[str]:
    """Return the targets that are made before a command, by whatever way."""
    direct = set(rules.get(command, "").split())
    return direct.union(*(needed_by(target, rules) for target in direct))


def test_help_explains_each_promised_command():
    shown = subprocess.run(["make", "help"], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    explained = {line.split()[0] for line in shown.splitlines() if len(line.split()) > 1}

    assert set(PROMISED) - explained == set()


@pytest.mark.parametrize("command", sorted(set(PROMISED) - {"help", "init"}))
def test_each_command_makes_its_environment_by_itself(rules, command):
    assert "init" in needed_by(command, rules)


def test_check_holds_the_doors():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    check, doors = (text.split(f"\n{target}:")[1].split("\n\n")[0] for target in ("check", "check-doors"))

    assert "check-doors" in check
    assert "lint-imports" in doors


def test_ci_runs_make_test_and_ends_there():
    lines = [line for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]

    assert lines[-1].startswith("exec make test")
