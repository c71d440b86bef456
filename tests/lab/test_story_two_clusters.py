"""Two clusters, one server, one object store: what one backs up, the other restores, and nothing of the one stays on the other."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.build import image_ref
from tests.support.protected import Application, Pair, Protected

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]
KINDS = "backups.velero.io,backupstoragelocations.velero.io,backuprepositories.velero.io,restores.velero.io,datadownloads.velero.io"
STORAGE_CLASS = "second"


@pytest.fixture
def application(pair: Pair) -> Iterator[Application]:
    """An application in the first cluster, gone afterwards from both."""
    made = Application(pair.near, image=image_ref("busybox"))
    yield made
    for place in (pair.near, pair.far):
        place.kubectl("delete", "namespace", made.namespace, f"{made.namespace}-again", "--ignore-not-found", "--wait=false")


@pytest.fixture
def second_class(pair: Pair) -> Iterator[str]:
    """A storage class of the second cluster that the first does not have."""
    found = json.loads(pair.far.kubectl("get", "storageclass", "lab", "-o", "json"))
    made = {key: found[key] for key in ("apiVersion", "kind", "provisioner", "reclaimPolicy", "volumeBindingMode")}
    pair.far.kubectl("apply", "-f", "-", stdin=json.dumps(made | {"metadata": {"name": STORAGE_CLASS}}))
    yield STORAGE_CLASS
    pair.far.kubectl("delete", "storageclass", STORAGE_CLASS)


def backed_up(application: Application, place: Protected) -> dict[str, Any]:
    """Back the application up; return the recovery point."""
    job = place.client.wait_for_job(place.run(place.define_backup(application.namespace)))
    assert job["state"] == "COMPLETED", job
    return place.recovery_point(job["_id"])


def left(place: Protected) -> set[str]:
    """Everything that a restore may leave in the agent's namespace."""
    names = place.kubectl("-n", "cloudcasa-io", "get", KINDS, "-o", "name").split()
    names += place.kubectl("-n", "cloudcasa-io", "get", "secrets,configmaps", "-o", "name").split()
    return {name for name in names if not name.endswith("-result")}


def objects_of(pair: Pair) -> list[str]:
    """Every object of the first cluster's prefix in the bucket, but for the indexes that Velero's repositories rewrite by themselves."""
    folder = pair.near.system.lab.home / "s3" / pair.near.system.env["LAB_S3_BUCKET"] / pair.near.cluster_id
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and "kopia" not in path.parts)


Unchanged = Callable[[], None]


def test_application_comes_back_on_the_other_cluster_under_other_names(pair: Pair, application: Application, second_class: str) -> None:
    """Another namespace, another storage class, byte-equal; and then the other cluster holds nothing of ours that it did not hold before."""
    application.create(mib=20)
    before, point = application.fingerprint(), backed_up(application, pair.near)
    there, in_bucket = left(pair.far), objects_of(pair)
    restored = pair.far.restore(
        point,
        namespaces=[application.namespace],
        cluster=pair.far.cluster_id,
        namespaces_suffix="-again",
        storage_class_map={"lab": second_class},
    )
    assert (restored["state"], restored["cluster"]) == ("COMPLETED", pair.far.cluster_id), restored
    again = Application(pair.far, image=application.image, namespace=f"{application.namespace}-again")
    again.wait()
    assert again.fingerprint() == before
    assert pair.far.kubectl("-n", again.namespace, "get", "pvc", "data", "-o", "jsonpath={.spec.storageClassName}") == second_class
    assert left(pair.far) == there
    assert objects_of(pair) == in_bucket
    assert pair.near.recovery_point(point["backup_job_id"])["state"] == "READY"


def test_claims_alone_come_back_with_their_data_also_where_volumes_wait_for_a_pod(pair: Pair, application: Application) -> None:
    """Nothing that uses the claim is restored: the agent gives it a node, where Velero would wait until it gave up."""
    application.create(mib=1)
    before, point = application.fingerprint(), backed_up(application, pair.near)
    restored = pair.far.restore(
        point,
        namespaces=[application.namespace],
        cluster=pair.far.cluster_id,
        selection={"include_resource_types": ["persistentvolumeclaims"]},
    )
    assert restored["state"] == "COMPLETED", restored
    assert any("its volume is made on node" in line for line in restored["activity"]), restored["activity"]
    again = pair.far.restore(point, namespaces=[application.namespace], cluster=pair.far.cluster_id)
    assert again["state"] == "PARTIAL"
    assert 'claim "data" was not restored' in again["message"]
    there = Application(pair.far, image=application.image, namespace=application.namespace)
    there.wait()
    assert there.fingerprint() == before


def test_single_object_is_made_again_and_brought_up_to_date_and_nothing_else_is_touched(pair: Pair, application: Application) -> None:
    application.create(mib=1)
    point, kubectl, name = backed_up(application, pair.near), pair.near.kubectl, application.namespace
    kubectl("-n", name, "label", "configmap", "settings", "kept=no")
    kubectl("-n", name, "patch", "configmap", "settings", "--type=merge", "-p", '{"data": {"colour": "red"}}')
    kubectl("-n", name, "delete", "secret", "login")
    word = secrets.token_hex(4)
    wanted = [{"kind": "ConfigMap", "namespace": name, "name": "settings"}]
    rule = {
        "conditions": {"groupResource": "configmaps"},
        "mergePatches": [{"patchData": json.dumps({"data": {"word": word}})}],
    }
    options = {"existing_resources": "update", "resource_modifiers": [rule]}
    restored = pair.near.restore(point, namespaces=[], selection={"objects": wanted}, options=options)
    assert restored["state"] == "COMPLETED", restored
    data = json.loads(kubectl("-n", name, "get", "configmap", "settings", "-o", "jsonpath={.data}"))
    assert (data["colour"], data["word"]) == ("blue", word)
    assert kubectl("-n", name, "get", "secret", "login", "--ignore-not-found") == ""
    absent = pair.near.restore(point, namespaces=[], selection={"objects": [*wanted, wanted[0] | {"name": "never"}]})
    assert (absent["state"], '"never"' in absent["message"]) == ("FAILED", True), absent
