"""The decisions that need no server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from cloudcasa_contract.commands import Artifacts, Inventory, RestoreOutput, VolumeResult
from cloudcasa_contract.states import JobState
from cloudcasa_server.cluster.manifest import ManifestInput, build_manifest
from cloudcasa_server.cluster.model import judge as judge_cluster
from cloudcasa_server.command.images import replace_registry
from cloudcasa_server.inventory.model import diff, rows
from cloudcasa_server.job.verdict import judge
from cloudcasa_server.object_store.model import join_prefix, normalise_endpoint
from cloudcasa_server.restore.model import namespace_map
from pydantic import SecretStr

from tests.support.scripted_agent import a_backup

GOLDEN = Path(__file__).parent / "golden"
GIVEN = ManifestInput(
    cluster_id="65aa00000000000000000010",
    server_url="https://cc.example",
    credential=SecretStr("cca_65aa00000000000000000010_" + "x" * 43),
    ca_pem="-----BEGIN CERTIFICATE-----\n(the CA)\n-----END CERTIFICATE-----\n",
    agent_image="registry.example:5000/cloudcasa/agent:0.1.0",
    image_pull_secret_name="pull-secret",
)


def test_manifest_is_as_agreed():
    assert build_manifest(GIVEN) == (GOLDEN / "manifest.yaml").read_text()


def test_manifest_of_an_agent_without_private_ca_or_pull_secret():
    given = ManifestInput(GIVEN.cluster_id, GIVEN.server_url, GIVEN.credential, None, GIVEN.agent_image)
    text = build_manifest(given)
    assert "imagePullSecrets" not in text
    assert "CLOUDCASA_AGENT_CA_FILE" not in text
    assert "&id" not in text
    assert yaml.safe_load(text)["kind"] == "List"


@pytest.mark.parametrize(
    ("image", "registry", "expected"),
    [
        ("docker.io/velero/velero:v1.18.3", None, "docker.io/velero/velero:v1.18.3"),
        ("docker.io/velero/velero:v1.18.3", "reg.example:5000", "reg.example:5000/velero/velero:v1.18.3"),
        ("velero/velero:v1.18.3", "reg.example/", "reg.example/velero/velero:v1.18.3"),
        ("localhost/agent:1", "reg.example/mirror", "reg.example/mirror/agent:1"),
        ("agent:1", "reg.example", "reg.example/agent:1"),
    ],
)
def test_registry_is_replaced(image, registry, expected):
    assert replace_registry(image, registry) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("s3.example", "https://s3.example"),
        ("s3.example:9000", "https://s3.example:9000"),
        ("http://s3.example/", "http://s3.example"),
        ("https://10.0.0.1:9000", "https://10.0.0.1:9000"),
    ],
)
def test_endpoint_becomes_a_url(given, expected):
    assert normalise_endpoint(given) == expected


@pytest.mark.parametrize(
    "given",
    ["", "ftp://s3.example", "https://s3.example/bucket", "https://user@s3.example", "https://s3.example:port", "s3.example:99999", "[::1"],
)
def test_endpoint_that_is_none(given):
    with pytest.raises(ValueError, match="is not an endpoint"):
        normalise_endpoint(given)


def test_prefixes_are_joined_without_outer_slashes():
    assert join_prefix("/a/b/", None, "", "c") == "a/b/c"
    assert join_prefix(None, "c") == "c"


def volumes(**fields):
    return Artifacts(volumes=(VolumeResult(namespace="web", pvc="data", **fields),))


@pytest.mark.parametrize(
    ("output", "options", "state", "word"),
    [
        (a_backup(), {}, JobState.COMPLETED, "successful"),
        (a_backup(phase="PartiallyFailed", errors=2), {}, JobState.PARTIAL, "2 errors"),
        (a_backup(phase="PartiallyFailed"), {}, JobState.PARTIAL, "named no error"),
        (a_backup(phase="Failed", failure_reason="no space"), {}, JobState.FAILED, "no space"),
        (a_backup(phase="FailedValidation"), {}, JobState.FAILED, "FailedValidation"),
        (a_backup(phase="SomethingNew"), {}, JobState.FAILED, "SomethingNew"),
        (a_backup(artifacts=volumes(succeeded=False)), {}, JobState.PARTIAL, "web/data failed"),
        (a_backup(artifacts=volumes(skipped_reason="no snapshot class")), {}, JobState.PARTIAL, "no snapshot class"),
        (a_backup(artifacts=volumes(skipped_reason="not wanted")), {"needs_volumes": False}, JobState.COMPLETED, "successful"),
        (a_backup(artifacts=volumes(method="CSISnapshot")), {"needs_data": True}, JobState.PARTIAL, "was not copied"),
        (a_backup(artifacts=volumes(method="PodVolumeBackup")), {"needs_data": True}, JobState.COMPLETED, "successful"),
        (a_backup(artifacts=Artifacts(missing=("volume info: 403",))), {}, JobState.PARTIAL, "volume info: 403"),
        (a_backup(artifacts=Artifacts(errors=("boom",))), {}, JobState.PARTIAL, "1 error: boom"),
        (a_backup(), {"forgotten": ["db/a", "db/b"]}, JobState.PARTIAL, "volume db/a, volume db/b"),
        (RestoreOutput(phase="Completed"), {}, JobState.COMPLETED, "Restore successful"),
        (RestoreOutput(phase="Completed", errors=3), {}, JobState.PARTIAL, "3 errors"),
    ],
)
def test_verdict(output, options, state, word):
    verdict = judge(output, **options)
    assert verdict.state is state
    assert word in verdict.message


READY = {"engine": {"is_ready": True}, "last_seen": 100.0}


@pytest.mark.parametrize(
    ("was", "agent", "now", "state"),
    [
        ("REGISTERED", {"last_seen": None}, 100, "REGISTERED"),
        ("REGISTERED", {"last_seen": 100.0, "engine": {}}, 101, "REGISTERED"),
        ("REGISTERED", READY, 101, "ACTIVE"),
        ("ACTIVE", READY, 146, "PENDING"),
        ("PENDING", READY, 101, "ACTIVE"),
        ("ACTIVE", READY | {"engine_problem": "foreign Velero"}, 101, "PENDING"),
        ("REGISTERED", {"last_seen": 100.0, "engine": {"problem": "foreign Velero"}}, 101, "PENDING"),
    ],
)
def test_state_follows_from_the_facts(was, agent, now, state):
    standing = judge_cluster({"status": {"state": was}, "agent": agent}, now=now, silence_seconds=45)
    assert standing.state == state
    assert bool(standing.message) == (state == "PENDING" or (state == "REGISTERED" and agent["last_seen"] is not None))


def test_namespaces_are_renamed_by_map_then_prefix_and_suffix():
    restore = {"namespaces_map": {"web": "shop"}, "namespaces_prefix": "x-", "namespaces_suffix": "-y"}
    assert namespace_map(restore, namespaces=("web", "db")) == {"web": "shop", "db": "x-db-y"}
    assert namespace_map({"namespaces_map": {"web": "web"}}, namespaces=("web",)) == {}


def test_inventory_difference_touches_only_what_changed():
    inventory = Inventory(taken_at=datetime.now(UTC), kubernetes_version="v1", node_count=1, namespaces=("new", "same"))
    wanted = rows(inventory, cluster_id="c")["kubenamespaces"]
    stored = [{"_id": "1", "cluster_id": "c", "name": "same", "k8s_uid": ""}, {"_id": "2", "cluster_id": "c", "name": "old"}]
    plan = diff(stored, wanted)
    assert ([row["name"] for row in plan.insert], dict(plan.change), plan.delete) == (["new"], {}, ("2",))
