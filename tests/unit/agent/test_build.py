"""Commands to Velero's objects, whole."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from cloudcasa_agent.velero import manifests
from cloudcasa_agent.velero.bucket import artifact_key
from cloudcasa_agent.velero.bucket_s3 import object_url, signed_headers
from cloudcasa_agent.velero.build import (
    build_backup,
    build_delete_request,
    build_restore,
    build_storage_location,
    build_storage_secret,
    label_selector,
)
from cloudcasa_agent.velero.resources import label_value, location_name
from cloudcasa_agent.velero.restore_rules import build_rules
from cloudcasa_contract.commands import ObjectRef

from tests.support.agent_builders import IMAGES, a_backup_command, a_delete_command, a_restore_command, a_storage, an_ensure_command

NAMESPACE = "cloudcasa-io"

BACKUPS = {
    "named-namespaces": (a_backup_command(namespaces=("app", "gone"), label_selector={"tier": "a,b", "app": "x"}), {"app"}),
    "all-namespaces": (a_backup_command(all_namespaces=True, excluded_namespaces=("kube-system",)), set()),
    "snapshot-only": (a_backup_command(namespaces=("app",), move_data=False).model_copy(update={"record": '{"version":1}'}), {"app"}),
    "no-volumes": (a_backup_command(namespaces=("app-*",), snapshot_volumes=False, included_resources=("deployments",)), set()),
}
OF_APP = ObjectRef(kind="ConfigMap", namespace="app", name="settings")
RESTORES = {
    "everything": a_restore_command(),
    "mapped": a_restore_command(
        namespaces=("app",), namespace_map={"app": "app2"}, included_resources=("pods",), label_selector={"a": "b"}
    ),
    "no-volumes": a_restore_command(restore_volumes=False),
    "changed": a_restore_command(
        existing="update", preserve_node_ports=True, parallel_downloads=4, storage_class_map={"slow": "fast"}, namespaces=("app",)
    ),
    "objects": a_restore_command(objects=(OF_APP, ObjectRef(kind="Secret", namespace="db", name="login"))),
    "objects-of-the-cluster": a_restore_command(objects=(ObjectRef(kind="ClusterRole", name="reader"),)),
}


@pytest.mark.parametrize("case", BACKUPS)
def test_backup_is_as_in_the_golden_file(case, golden):
    command, existing = BACKUPS[case]
    golden(f"backup-{case}.json", build_backup(command, command_id="c-1", namespace=NAMESPACE, existing_namespaces=existing))


@pytest.mark.parametrize("case", RESTORES)
def test_restore_is_as_in_the_golden_file(case, golden):
    golden(f"restore-{case}.json", build_restore(RESTORES[case], command_id="c-1", namespace=NAMESPACE))


@pytest.mark.parametrize("case", ["changed", "objects", "objects-of-the-cluster"])
def test_rules_of_a_restore_are_as_in_the_golden_file(case, golden):
    made = build_rules(RESTORES[case], command_id="c-1", namespace=NAMESPACE)
    golden(f"restore-{case}-rules.json", [item | {"data": json.loads(item["data"]["rules.yaml"])} for item in made])


def test_restore_without_choices_has_no_rules():
    assert build_rules(RESTORES["everything"], command_id="c-1", namespace=NAMESPACE) == ()


def test_delete_request_is_as_in_the_golden_file(golden):
    golden("delete-request.json", build_delete_request(a_delete_command(), command_id="c-1", namespace=NAMESPACE, backup_uid="u-1"))


def test_our_namespace_is_never_backed_up_even_when_it_is_named():
    command = a_backup_command(namespaces=("app", NAMESPACE))
    spec = build_backup(command, command_id="c-1", namespace=NAMESPACE, existing_namespaces={"app", NAMESPACE})["spec"]
    assert spec["includedNamespaces"] == ["app"]
    assert spec["excludedNamespaces"] == [NAMESPACE]


STORES = {
    "plain": a_storage(),
    "amazon": a_storage(endpoint="https://s3.eu-central-1.amazonaws.com", region="eu-central-1"),
    "unverified": a_storage(skip_tls_verification=True, ca_pem="PEM"),
    "own-ca": a_storage(ca_pem="PEM"),
    "read-only": a_storage(read_only=True, prefix="main/c2"),
}


@pytest.mark.parametrize("case", STORES)
def test_storage_location_is_as_in_the_golden_file(case, golden):
    golden(f"location-{case}.json", build_storage_location(STORES[case], namespace=NAMESPACE))


def test_foreign_prefix_gets_a_location_of_its_own():
    assert location_name(a_storage()) == "cc-s1"
    assert location_name(a_storage(read_only=True)) != location_name(a_storage(read_only=True, prefix="main/c2"))


def test_storage_secret_is_an_aws_credentials_file():
    secret = build_storage_secret(a_storage(), namespace=NAMESPACE)
    text = base64.b64decode(secret["data"]["cloud"]).decode()
    assert text == "[default]\naws_access_key_id = PLACEHOLDER-ACCESS-KEY\naws_secret_access_key = PLACEHOLDER-SECRET-KEY\n"


@pytest.mark.parametrize(
    ("wanted", "selector"),
    [
        ({}, {}),
        ({"a": "b", "c": "d"}, {"labelSelector": {"matchLabels": {"a": "b", "c": "d"}}}),
        ({"a": "x, y"}, {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]}}),
    ],
    ids=["none", "and", "or"],
)
def test_label_selector_is_compiled(wanted, selector):
    assert label_selector(wanted) == selector


def test_engine_manifests_are_as_in_the_golden_file(golden):
    items = [
        manifests.namespace_labels(namespace=NAMESPACE),
        *manifests.rights(namespace=NAMESPACE),
        manifests.crd_job(IMAGES, namespace=NAMESPACE),
        manifests.node_agent_config(namespace=NAMESPACE),
        manifests.server(IMAGES, namespace=NAMESPACE),
        manifests.node_agent(IMAGES, namespace=NAMESPACE),
    ]
    golden("engine.json", items)
    assert "PLACEHOLDER" not in json.dumps(items)


def test_repository_password_is_in_its_secret_only():
    secret = manifests.repository_secret(an_ensure_command(), namespace=NAMESPACE)
    assert base64.b64decode(secret["data"]["repository-password"]) == b"PLACEHOLDER-PASSWORD"


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("velero/velero-plugin-for-aws:v1.14.3", "velero-velero-plugin-for-aws"),
        ("lab.local/velero-plugin-for-aws:v1.14.3", "lab-local-velero-plugin-for-aws"),
        ("registry:5000/a/plugin_aws@sha256:abc", "a-plugin-aws"),
        ("registry:5000/a/plugin.aws", "a-plugin-aws"),
    ],
)
def test_plugin_container_is_named_as_velero_names_it(image, name):
    assert manifests.plugin_name(image) == name


def test_long_names_become_label_values_as_velero_makes_them():
    assert label_value("short") == "short"
    assert len(label_value("x" * 80)) == 63


def test_artifact_is_fetched_with_a_signature_of_aws_version_4():
    # The signature was made by botocore 1.43 (S3SigV4Auth) for the same request.
    url = object_url(a_storage(), key=f"main/c 1/{artifact_key('BackupLog', name='b-1')}")
    assert url == "https://s3.example.com/backups/main/c%201/backups/b-1/b-1-logs.gz"
    headers = signed_headers(a_storage(), url=url, now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert headers["x-amz-date"] == "20260102T030405Z"
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=PLACEHOLDER-ACCESS-KEY/20260102/us-east-1/s3/aws4_request, ")
    assert headers["Authorization"].endswith("Signature=25fc2ee9cadd08b51b7ecf4de7669789b715974c09672a1666dc7702e2617141")
