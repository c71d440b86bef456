"""Every module is documented as ansible-doc shows it, and its documentation says what its code takes."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
COLLECTION = ROOT / "collections/ansible_collections/cloudcasa/core"
MODULES = sorted(path.stem for path in (COLLECTION / "plugins/modules").glob("*.py"))
BODIES = "ansible_collections.cloudcasa.core.plugins.module_utils._module"


@pytest.fixture(scope="module")
def documentation() -> dict[str, Any]:
    program = Path(sys.executable).with_name("ansible-doc")
    names = [f"cloudcasa.core.{name}" for name in MODULES]
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
    done = subprocess.run([str(program), "--json", "-t", "module", *names], env=env, check=True, capture_output=True, text=True)
    return {name.rpartition(".")[2]: each for name, each in json.loads(done.stdout).items()}


@pytest.mark.parametrize("name", MODULES)
def test_module_is_documented(documentation: dict[str, Any], name: str) -> None:
    shown = documentation[name]
    assert shown["doc"]["short_description"]
    assert shown["examples"].strip()
    assert shown["return"]
    assert {"check_mode", "diff_mode", "idempotent", "action_group"} <= set(shown["doc"]["attributes"])


@pytest.mark.parametrize("name", MODULES)
def test_documented_options_are_the_options(documentation: dict[str, Any], name: str) -> None:
    spec = importlib.import_module(f"{BODIES}.{name}").argument_spec()
    documented = documentation[name]["doc"]["options"]
    for option, details in spec.items():
        assert option in documented, option
        for key in ("type", "default", "choices", "elements"):
            assert documented[option].get(key) == details.get(key), (option, key)
        assert bool(documented[option].get("required")) == bool(details.get("required")), option
    assert set(documented) == set(spec)


@pytest.mark.parametrize("name", MODULES)
def test_results_are_described_with_samples(documentation: dict[str, Any], name: str) -> None:
    for key, value in documentation[name]["return"].items():
        assert {"description", "returned", "type", "sample"} <= set(value), key


@pytest.mark.parametrize("name", MODULES)
def test_examples_use_full_names_and_known_options(documentation: dict[str, Any], name: str) -> None:
    known = set(documentation[name]["doc"]["options"])
    tasks = yaml.safe_load(documentation[name]["examples"])
    own = [task for task in tasks if f"cloudcasa.core.{name}" in task]
    assert own
    for task in own:
        assert set(task[f"cloudcasa.core.{name}"]) <= known


def test_every_module_is_in_the_action_group() -> None:
    runtime = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())
    assert runtime["action_groups"]["cloudcasa"] == MODULES
