"""Alerts and dashboard ask for metrics, labels and states that the server has, and each alert is explained."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloudcasa_contract.states import FINAL_JOB_STATES, ClusterState, JobState, JobType
from cloudcasa_server.app import create_app
from cloudcasa_server.kit.settings import Settings

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "observability"
PAGE = ROOT / "docs" / "admin" / "monitoring.md"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the metrics of a server that has just started."""
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("data"), tls=False)).state.parts.metrics.registry


@pytest.fixture(scope="module")
def known(registry: Any) -> set[str]:
    """Return the names under which the server's metrics are asked for."""
    found = set()
    for metric in registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(metric.type, [""])
        found |= {metric.name + suffix for suffix in suffixes}
    return found


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def expressions() -> list[str]:
    panels = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))["panels"]
    return [rule["expr"] for rule in rules()] + [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("expression", expressions())
def test_a_rule_asks_for_metrics_that_the_server_has(expression, known):
    asked = set(re.findall(r"(?:cloudcasa|process)_[a-z_]+", expression))

    assert asked - known - {"process_resident_memory_bytes"} == set()
    assert asked or "up{" in expression


@pytest.mark.parametrize("expression", expressions())
def test_a_rule_asks_for_states_and_types_that_exist(expression):
    words = {word for value in re.findall(r'"([A-Z][A-Z0-9_|]+)"', expression) for word in value.split("|")}

    assert words <= {*ClusterState, *JobState, *JobType}


def test_first_job_that_fails_after_a_start_is_an_increase(registry):
    """Prometheus sees none in a series whose first value is 1."""
    ends = itertools.product(JobType, FINAL_JOB_STATES)
    values = {registry.get_sample_value("cloudcasa_jobs_ended_total", {"type": type_, "state": state}) for type_, state in ends}
    assert values == {0}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_each_alert_says_what_it_means_and_the_page_what_to_do(rule):
    assert {"summary", "description"} <= set(rule["annotations"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert f"`{rule['alert']}`" in PAGE.read_text(encoding="utf-8")


def test_every_metric_of_ours_is_on_the_page(known):
    page = PAGE.read_text(encoding="utf-8")
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in known if name.startswith("cloudcasa_")}

    assert {name for name in families if f"`{name}`" not in page} == set()
