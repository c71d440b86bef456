"""Settings come from the environment, under the product's own names too; secrets stay out of what is shown and logged."""

from __future__ import annotations

import json
import os
import time

import pytest
from cloudcasa_agent.kit.alive import is_alive
from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.kit.logging import configure_logging, get_logger
from cloudcasa_agent.kit.settings import Settings
from cloudcasa_agent.kit.timeout import Timeout

from tests.support.agent_builders import a_backup_command


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("CLOUDCASA_AGENT_")] + ["KUBECONFIG", "AMDS_CLUSTER_ID"]:
        monkeypatch.delenv(name, raising=False)


def test_names_of_the_products_manifests_are_accepted(monkeypatch):
    monkeypatch.setenv("AMDS_CLUSTER_ID", "k-1")
    monkeypatch.setenv("DEPLOYMENT_PLATFORM", "eks")
    monkeypatch.setenv("CLOUDCASA_AGENT_SERVER_URL", "https://cc.example.com")
    settings = Settings()
    assert (settings.cluster_id, settings.platform, settings.namespace) == ("k-1", "eks", "cloudcasa-io")
    settings.require_link()


def test_missing_settings_are_named():
    with pytest.raises(AgentError, match="CLOUDCASA_AGENT_SERVER_URL, CLOUDCASA_AGENT_CLUSTER_ID is not set"):
        Settings().require_link()


def test_credential_is_read_from_a_file(monkeypatch, tmp_path):
    path = tmp_path / "credential"
    path.write_text("PLACEHOLDER\n")
    monkeypatch.setenv("CLOUDCASA_AGENT_CREDENTIAL_FILE", str(path))
    assert Settings().bootstrap_credential().get_secret_value() == "PLACEHOLDER"


def test_credential_is_not_shown(monkeypatch):
    monkeypatch.setenv("CLOUDCASA_AGENT_CREDENTIAL", "PLACEHOLDER")
    assert "PLACEHOLDER" not in repr(Settings())


def test_log_is_json_lines_without_secrets(capsys):
    configure_logging(level="DEBUG")
    get_logger("test").info("Command taken", command=a_backup_command(namespaces=("app",)))
    line = capsys.readouterr().out
    assert json.loads(line)["message"] == "Command taken"
    assert "PLACEHOLDER" not in line


def test_health_is_the_age_of_a_file(tmp_path):
    path = tmp_path / "alive"
    assert not is_alive(path)
    path.touch()
    assert is_alive(path)
    os.utime(path, (time.time() - 120, time.time() - 120))
    assert not is_alive(path)


def test_budget_runs_out():
    assert 9.0 < Timeout(10.0).left() <= 10.0
    assert Timeout(10.0, started_at=time.monotonic() - 11).is_over
