"""The main job: an application is lost and comes back byte for byte, also when parts of us die on the way."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from lab.build import image_ref
from tests.support.protected import Application, Protected, wait_for_progress, wait_until_active

pytestmark = pytest.mark.lab


@pytest.fixture
def application(protected: Protected) -> Iterator[Application]:
    """An application that is filled by each story to its measure, and gone afterwards."""
    made = Application(protected.system, image=image_ref("busybox"))
    yield made
    protected.system.kubectl("delete", "namespace", made.namespace, "--ignore-not-found", "--wait=false")


def test_lost_namespace_comes_back_byte_equal(protected: Protected, application: Application) -> None:
    """Backup, loss, restore."""
    application.create(mib=40)
    before = application.fingerprint()
    backup = protected.define_backup(application.namespace)
    job = protected.client.wait_for_job(protected.run(backup))
    assert job["state"] == "COMPLETED", job
    point = protected.recovery_point(job["_id"])
    assert (point["state"], point["type"]) == ("READY", "COPY")
    application.delete()
    restored = protected.restore(point, namespaces=[application.namespace])
    assert restored["state"] == "COMPLETED", restored
    application.wait()
    assert application.fingerprint() == before


def test_backup_survives_death_of_agent_and_server(protected: Protected, application: Application) -> None:
    """`kill -9` of the agent's process and of the server while data moves: the run ends COMPLETED and restores byte-equal."""
    application.create(mib=400)
    before = application.fingerprint()
    job_id = protected.run(protected.define_backup(application.namespace))
    wait_for_progress(protected.client, job_id)
    protected.system.kubectl("-n", "cloudcasa-io", "delete", "pod", "-l", "app=cloudcasa-kubeagent-manager", "--force", "--grace-period=0")
    protected.system.kill()
    protected.system.start()
    wait_until_active(protected.client, protected.cluster_id)
    job = protected.client.wait_for_job(job_id)
    assert job["state"] == "COMPLETED", job
    runs = list(protected.client.find("backupinstances", backup_job_id=job_id))
    assert len(runs) == 1
    application.delete()
    restored = protected.restore(runs[0], namespaces=[application.namespace])
    assert restored["state"] == "COMPLETED", restored
    application.wait()
    assert application.fingerprint() == before


CUSTOM = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {kind}s.young.example}}
spec:
  group: young.example
  scope: Namespaced
  names: {{plural: {kind}s, singular: {kind}, kind: {title}}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""
INSTANCE = """
apiVersion: young.example/v1
kind: {title}
metadata: {{name: first, namespace: {namespace}}}
wish: keep me
"""


def test_instance_of_a_brand_new_kind_is_not_forgotten(protected: Protected) -> None:
    """Velero learns of new kinds every five minutes and leaves the others out without a word; we must not."""
    kubectl, kind = protected.system.kubectl, f"wish{secrets.token_hex(3)}"
    namespace = f"kinds-{kind}"
    words = {"kind": kind, "title": kind.title(), "namespace": namespace}
    kubectl("create", "namespace", namespace)
    kubectl("apply", "-f", "-", stdin=CUSTOM.format(**words))
    kubectl("wait", f"crd/{kind}s.young.example", "--for=condition=Established", "--timeout=30s")
    kubectl("apply", "-f", "-", stdin=INSTANCE.format(**words))
    job = protected.client.wait_for_job(protected.run(protected.define_backup(namespace)))
    assert job["state"] == "COMPLETED", job
    kubectl("delete", "namespace", namespace, "--timeout=120s")
    restored = protected.restore(protected.recovery_point(job["_id"]), namespaces=[namespace])
    assert restored["state"] == "COMPLETED", restored
    assert kubectl("-n", namespace, "get", f"{kind}s.young.example", "first", "-o", "jsonpath={.wish}") == "keep me"
    kubectl("delete", "namespace", namespace, "--wait=false")
