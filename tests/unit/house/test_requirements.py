"""What each distribution is installed with holds all that it asks for: a list that was not pinned anew makes a server that does not start."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[3] / "requirements"
LISTS = sorted(path.stem for path in REQUIREMENTS.glob("*.in"))


def asked_for(name):
    """Return the packages of a list and of those that it includes."""
    found = set()
    for line in (REQUIREMENTS / f"{name}.in").read_text().splitlines():
        found |= asked_for(line.split()[1].removesuffix(".in")) if line.startswith("-r ") else {package(line)}
    return found - {""}


def package(line):
    return re.split(r"[^A-Za-z0-9._-]", line.strip(), maxsplit=1)[0].lower().replace("_", "-")


def pinned(name):
    return {package(line) for line in (REQUIREMENTS / f"{name}.txt").read_text().splitlines() if "==" in line}


@pytest.mark.parametrize("name", LISTS)
def test_pins_hold_all_that_is_asked_for(name):
    assert asked_for(name) - pinned(name) == set()


def test_server_declares_what_it_is_installed_with():
    project = tomllib.loads((REQUIREMENTS.parent / "server" / "pyproject.toml").read_text())["project"]
    assert {package(one) for one in project["dependencies"]} - {"cloudcasa-contract"} == asked_for("server")
    assert {package(one) for one in project["optional-dependencies"]["otel"]} == asked_for("server-otel") - asked_for("server")


def test_zones_of_policies_are_known_on_a_machine_that_has_none():
    """As a slim image may: without this every zone but UTC would be refused, and no stored policy would run."""
    asked = [sys.executable, "-c", "from zoneinfo import ZoneInfo; print(ZoneInfo('Europe/Vienna'))"]
    answer = subprocess.run(asked, env={"PYTHONTZPATH": ""}, capture_output=True, text=True, check=False)
    assert (answer.stdout.strip(), answer.returncode) == ("Europe/Vienna", 0), answer.stderr
