"""What the list of a backup's objects settles, and what is on loan: decided without a cluster."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from cloudcasa_agent.velero.choice import left_out, settled
from cloudcasa_agent.velero.errors import NameUnusableError, ObjectNotInBackupError
from cloudcasa_agent.velero.imported import build_known, build_pod_volume
from cloudcasa_agent.velero.kept import is_old
from cloudcasa_agent.velero.loan import borrowed, users_of
from cloudcasa_agent.velero.waiting_claims import choose_node, uses
from cloudcasa_contract.commands import ObjectRef
from cloudcasa_contract.velero import claims_in, namespaces_in, read_listing

from tests.support.agent_builders import a_restore_command, a_storage

LISTING = read_listing(
    {
        "v1/Namespace": ["app", "empty"],
        "v1/ConfigMap": ["app/settings", "db/settings"],
        "networking.k8s.io/v1/Ingress": ["app/web"],
        "extensions/v1beta1/Ingress": ["app/web", "app/old"],
        "rbac.authorization.k8s.io/v1/ClusterRole": ["system:reader"],
        "v1/PersistentVolumeClaim": ["app/data(created)"],
    }
)
SETTINGS = ObjectRef(kind="configmap", namespace="app", name="settings")


def test_list_of_objects_is_read_with_names_and_actions():
    assert namespaces_in(LISTING) == {"app", "db", "empty"}
    assert claims_in(LISTING) == {("app", "data"): "created"}
    assert [item.name for item in LISTING if not item.namespace] == ["app", "empty", "system:reader"]


def test_suffix_is_put_on_every_namespace_that_the_backup_holds_and_the_map_goes_before():
    command = settled(a_restore_command(namespace_suffix="-x", namespace_map={"db": "base"}), LISTING)
    assert command.namespace_map == {"app": "app-x", "empty": "empty-x", "db": "base"}
    assert command.namespace_suffix == ""


@pytest.mark.parametrize("changes", [{"namespace_suffix": "-" + "x" * 61}, {"namespace_prefix": "x", "namespace_map": {"app": "xdb"}}])
def test_names_that_cannot_be_are_refused(changes):
    with pytest.raises(NameUnusableError):
        settled(a_restore_command(**changes), LISTING)


def test_objects_get_the_kind_that_the_backup_holds():
    reader = ObjectRef(kind="clusterrole", name="system:reader")
    old = ObjectRef(kind="Ingress", namespace="app", name="old")
    found = settled(a_restore_command(objects=(SETTINGS, reader, old)), LISTING).objects
    assert [item.kind for item in found] == ["ConfigMap", "ClusterRole.rbac.authorization.k8s.io", "Ingress.extensions"]


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        (SETTINGS.model_copy(update={"name": "sett*"}), "does not hold it"),
        (SETTINGS.model_copy(update={"kind": "Secret"}), "does not hold it"),
        (SETTINGS.model_copy(update={"namespace": ""}), "does not hold it"),
        (ObjectRef(kind="Ingress", namespace="app", name="web"), '"Ingress.extensions" or "Ingress.networking.k8s.io"'),
    ],
    ids=["name", "kind", "place", "two of the kind"],
)
def test_object_that_is_not_there_or_could_be_two_is_refused(wanted, word):
    with pytest.raises(ObjectNotInBackupError, match=word.replace("*", r"\*")):
        settled(a_restore_command(objects=(wanted,)), LISTING)


def test_chosen_object_that_velero_did_not_restore_is_named():
    done = read_listing({"v1/ConfigMap": ["new/settings(updated)", "new/other(failed)"]})
    other = SETTINGS.model_copy(update={"name": "other"})
    assert left_out((SETTINGS, other), listing=done, mapping={"app": "new"}) == ('configmap "other" of namespace "app" was not restored.',)


def a_stored_backup():
    metadata = {
        "name": "b-1",
        "namespace": "elsewhere",
        "uid": "u-1",
        "resourceVersion": "7",
        "ownerReferences": [{"kind": "Schedule"}],
        "labels": {"cloudcasa.io/command-id": "c-9", "team": "a"},
        "annotations": {"velero.io/source-cluster-k8s-gitversion": "v1.36.0"},
    }
    spec = {"storageLocation": "cc-s1", "hooks": {"resources": [{"name": "evil"}]}, "ttl": "1h0m0s"}
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Completed"}}


def test_backup_of_another_cluster_is_made_known_without_hooks_and_as_nobodys_command(golden):
    storage = a_storage(prefix="main/c2", read_only=True)
    golden("backup-borrowed.json", build_known(a_stored_backup(), storage=storage, namespace="cloudcasa-io"))


def test_own_backup_is_made_known_as_the_command_that_it_was():
    labels = build_known(a_stored_backup(), storage=a_storage(), namespace="cloudcasa-io")["metadata"]["labels"]
    assert labels == {"cloudcasa.io/command-id": "c-9", "team": "a", "velero.io/storage-location": "cc-s1"}


def test_file_copy_of_a_volume_goes_with_the_backup_that_was_made_known():
    backup = {"metadata": {"name": "b-1", "uid": "new", "namespace": "cloudcasa-io"}}
    item = {
        "metadata": {"name": "b-1-x", "uid": "old", "labels": {"velero.io/backup-uid": "old"}},
        "spec": {"backupStorageLocation": "theirs", "volume": "data"},
        "status": {"phase": "Completed"},
    }
    made = build_pod_volume(item, backup=backup, storage=a_storage(prefix="main/c2", read_only=True))
    assert made["metadata"]["labels"]["velero.io/backup-uid"] == "new"
    assert (made["metadata"]["ownerReferences"][0]["uid"], "uid" in made["metadata"]) == ("new", False)
    assert made["spec"] == {"backupStorageLocation": "cc-s1-ro-b5fb6ade", "volume": "data"}


def a_run(name, *, backup="b-1", phase="InProgress"):
    return {"metadata": {"name": name}, "spec": {"backupName": backup}, "status": {"phase": phase}}


def test_restores_that_go_on_hold_a_loan():
    backups = [{"metadata": {"name": "b-1"}}]
    restores = [a_run("a"), a_run("b", phase="Completed"), a_run("c", backup="b-2"), a_run("d", phase="")]
    assert users_of(backups, restores=restores) == ["a", "d"]


def test_restores_of_one_process_are_counted_until_they_are_over():
    counted: Counter[str] = Counter()
    with borrowed(counted, "x"), pytest.raises(ValueError, match="boom"), borrowed(counted, "x"):
        assert counted["x"] == 2
        raise ValueError("boom")
    assert counted["x"] == 0


def test_age_is_told_from_when_an_object_was_made():
    now = datetime(2026, 1, 2, tzinfo=UTC)
    item = {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}
    assert is_old(item, age=timedelta(hours=23), now=now)
    assert not is_old(item, age=timedelta(hours=25), now=now)


def a_node(name, *, ready="True", **spec):
    return {"metadata": {"name": name}, "spec": spec, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


def test_node_for_a_waiting_claim_is_one_where_pods_and_the_node_agent_run():
    taint = [{"key": "a", "effect": "NoSchedule"}]
    nodes = [a_node("a", ready="False"), a_node("b", unschedulable=True), a_node("c", taints=taint), a_node("d"), a_node("f"), a_node("e")]
    agents = [{"spec": {"nodeName": name}, "status": {"phase": "Running"}} for name in ("a", "b", "c", "e", "f")]
    assert choose_node(nodes, node_agents=agents) == "e"
    assert choose_node(nodes[:4], node_agents=agents) == ""


@pytest.mark.parametrize(("phase", "is_used"), [("Pending", True), ("Running", True), ("Succeeded", False), ("Failed", False)])
def test_claim_is_used_by_pods_that_have_not_ended(phase, is_used):
    volumes = [{"name": "x", "emptyDir": {}}, {"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    assert uses({"spec": {"volumes": volumes}, "status": {"phase": phase}}, claim="data") is is_used
    assert not uses({"spec": {"volumes": volumes}, "status": {"phase": phase}}, claim="other")
