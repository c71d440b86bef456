"""Each finding of the pre-flight: when it is made, how bad it is, and when it is not made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from cloudcasa_agent.handlers.backup_run import without_foreign
from cloudcasa_agent.kube import KubeError, Listing
from cloudcasa_agent.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, NODES, STORAGE_CLASSES, SUBJECT_ACCESS_REVIEWS
from cloudcasa_agent.velero.definitions import image_version, is_enough, version_of
from cloudcasa_agent.velero.errors import EngineInstallError
from cloudcasa_agent.velero.findings import (
    agent_findings,
    clock_findings,
    kubernetes_findings,
    namespace_findings,
    node_agent_findings,
    node_findings,
    rights_findings,
)
from cloudcasa_agent.velero.findings_volumes import volume_findings
from cloudcasa_agent.velero.foreign import Foreign, find_others, judge_others
from cloudcasa_agent.velero.install import images_of, taken_back
from cloudcasa_agent.velero.manifests import server
from cloudcasa_agent.velero.preflight import look_over
from cloudcasa_agent.velero.reach import find_unreachable
from cloudcasa_agent.velero.resources import CRD_NAMES
from cloudcasa_contract.commands import PreflightRun, StorageAddress

from tests.support.agent_builders import IMAGES, a_backup_command, a_deployment

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
IMAGE = "registry.example.com:5000/velero/velero:v1.18.3"
FIELDS = {
    "datauploads": ("spec.snapshotType", "status.acceptedByNode"),
    "backups": ("status.hookStatus", "spec.volumeGroupSnapshotLabelKey", "status.queuePosition"),
    "backuprepositories": ("spec.repositoryConfig",),
    "restores": ("spec.resourcePolicy",),
}


def told(findings):
    return [(each.slug, each.severity) for each in findings]


def a_node(name="n1", *, arch="amd64", os="linux", taint="", cordoned=False):
    taints = [{"key": taint, "effect": "NoSchedule"}] if taint else []
    labels = {"kubernetes.io/arch": arch, "kubernetes.io/os": os}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints, "unschedulable": cordoned}}


def a_definition(name, *, paths=(), **metadata):
    parts = {}
    for path in paths:
        head, leaf = path.split(".")
        parts.setdefault(head, {"properties": {}})["properties"][leaf] = {}
    version = {"name": "v1", "served": True, "schema": {"openAPIV3Schema": {"properties": parts}}}
    return {"metadata": {"name": f"{name}.velero.io", **metadata}, "spec": {"versions": [version]}}


def definitions(*, without=""):
    names = [name.removesuffix(".velero.io") for name in CRD_NAMES]
    return {name: a_definition(name, paths=[path for path in FIELDS.get(name, ()) if path != without]) for name in names}


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("v1.25.9", [("kubernetes-too-old", "degrades")]),
        ("v1.26.0", []),
        ("v1.36.1-eks-abc", []),
        ("v1.37.0", [("kubernetes-untested", "note")]),
        ("v2.0.0", [("kubernetes-untested", "note")]),
        ("weird", []),
        ("", []),
    ],
)
def test_version_of_kubernetes_is_judged(version, found):
    assert told(kubernetes_findings(version)) == found


@pytest.mark.parametrize(
    ("agent", "server_version", "found"),
    [
        ("0.1.0", "0.1.7", []),
        ("0.1.0", "0.2.0", [("agent-older", "note")]),
        ("1.0.0", "0.9.0", [("agent-newer", "note")]),
        ("0.1.0", "", []),
    ],
)
def test_agent_of_another_version_than_the_server_is_noted(agent, server_version, found):
    assert told(agent_findings(agent=agent, server=server_version)) == found


def test_rights_that_are_missing_block_and_name_whose():
    [found] = rights_findings({"The agent": True, "Velero": False})
    assert (found.slug, found.severity) == ("rights-missing", "blocks")
    assert found.text.startswith("Velero may not")


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ([a_node()], []),
        ([], [("no-nodes", "degrades")]),
        ([a_node(os="windows")], [("no-nodes", "degrades")]),
        ([a_node(), a_node("n2", arch="s390x")], [("node-architecture", "degrades")]),
        ([a_node(arch="riscv64")], [("node-architecture", "blocks")]),
        ([a_node(taint="dedicated"), a_node("n2", cordoned=True)], [("nodes-tainted", "degrades")]),
        ([a_node(taint="dedicated"), a_node("n2")], []),
        ([a_node(taint="CriticalAddonsOnly")], []),
    ],
    ids=["good", "none", "windows", "some-arch", "no-arch", "all-tainted", "one-free", "tolerated"],
)
def test_nodes_that_cannot_move_data_are_found(nodes, found):
    assert told(node_findings(nodes)) == found


def test_node_agent_that_does_not_run_everywhere_is_found_with_the_reason():
    status = {"desiredNumberScheduled": 3, "numberReady": 1}
    [found] = node_agent_findings({"status": status}, trouble='pod "x" waits with ErrImagePull: no.')
    assert "1 of 3 nodes" in found.text
    assert "ErrImagePull" in found.text
    assert list(node_agent_findings({"status": status | {"numberReady": 3}}, trouble="")) == []
    assert list(node_agent_findings(None, trouble="")) == []


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({"velero.io/exclude-from-backup": "true", "pod-security.kubernetes.io/enforce": "privileged"}, []),
        ({"velero.io/exclude-from-backup": "true"}, []),
        (
            {"velero.io/exclude-from-backup": "true", "pod-security.kubernetes.io/enforce": "restricted"},
            [("pod-security-refuses", "blocks")],
        ),
        ({}, [("namespace-in-backups", "degrades")]),
    ],
)
def test_labels_of_the_agents_namespace_are_judged(labels, found):
    assert told(namespace_findings({"metadata": {"labels": labels}})) == found


@pytest.mark.parametrize(
    ("seconds", "severity"), [(0, None), (60, None), (-61, "note"), (900, "note"), (901, "blocks"), (-86_400, "blocks")]
)
def test_clocks_that_differ_are_found(seconds, severity):
    found = told(clock_findings(other=NOW + timedelta(seconds=seconds), now=NOW, whose="the server"))
    assert found == ([("clock-skew", severity)] if severity else [])


def test_clock_that_nobody_told_is_no_finding():
    assert list(clock_findings(other=None, now=NOW, whose="the server")) == []


def a_storage_class(name="fast", *, provisioner="d", default=True):
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": annotations}, "provisioner": provisioner}


def a_snapshot_class(name="one", *, label=False):
    labels = {"velero.io/csi-volumesnapshot-class": "true"} if label else {}
    return {"metadata": {"name": name, "labels": labels}, "driver": "d"}


@pytest.mark.parametrize(
    ("classes", "snapshots", "how", "found"),
    [
        ([a_storage_class()], [a_snapshot_class()], {}, []),
        ([a_storage_class()], [], {}, [("no-snapshot-class", "degrades")]),
        ([a_storage_class()], [a_snapshot_class("a"), a_snapshot_class("b")], {}, [("snapshot-class-not-chosen", "degrades")]),
        (
            [a_storage_class()],
            [a_snapshot_class("a", label=True), a_snapshot_class("b", label=True)],
            {},
            [("several-snapshot-classes", "note")],
        ),
        ([a_storage_class(provisioner="kubernetes.io/aws-ebs")], [], {}, [("no-csi-driver", "degrades")]),
        ([a_storage_class()], [a_snapshot_class()], {"drivers": set()}, [("no-csi-driver", "degrades")]),
        ([a_storage_class()], [], {"has_snapshots": False}, [("no-snapshot-api", "degrades")]),
        ([a_storage_class(default=False)], [a_snapshot_class()], {}, [("no-default-storage-class", "note")]),
        ([a_storage_class(), a_storage_class("slow")], [a_snapshot_class()], {}, [("several-default-storage-classes", "note")]),
        ([], [], {}, [("no-storage-class", "note")]),
    ],
    ids=["good", "no-class", "unchosen", "two-labelled", "in-tree", "no-driver", "no-api", "no-default", "two-defaults", "nothing"],
)
def test_volumes_that_backups_would_miss_are_found(classes, snapshots, how, found):
    given = {"drivers": {"d"}, "has_snapshots": True} | how
    assert told(volume_findings(classes, snapshot_classes=snapshots, **given)) == found


def test_definitions_are_dated_by_what_they_hold():
    assert version_of(definitions()) == (1, 18, 3)
    assert version_of(definitions(without="spec.resourcePolicy")) == (1, 18, 0)
    assert version_of(definitions(without="status.acceptedByNode")) == (1, 15, 0)
    assert version_of(definitions(without="spec.snapshotType")) is None
    lacking = definitions()
    del lacking["podvolumerestores"]
    assert version_of(lacking) is None


@pytest.mark.parametrize(
    ("image", "version"),
    [
        (IMAGE, (1, 18, 3)),
        ("velero/velero:v1.19.0-rc.1@sha256:abc", (1, 19, 0)),
        ("localhost:5000/velero", None),
        ("velero/velero:main", None),
        ("velero/velero@sha256:abc", None),
    ],
)
def test_version_is_read_from_an_images_tag(image, version):
    assert image_version(image) == version


def test_what_cannot_be_told_of_definitions_is_not_enough():
    assert is_enough((1, 18, 3), image=IMAGE)
    assert not is_enough((1, 18, 0), image=IMAGE)
    assert not is_enough(None, image=IMAGE)
    assert not is_enough((1, 18, 3), image="velero/velero:main")
    assert not is_enough((1, 18, 3), image="velero/velero:v1.19.0")


def foreign(*, held=None, **kinds):
    fields = {"servers": {"velero": "velero"}, "holders": {}, "definitions": held or definitions()} | kinds
    return Foreign(**fields)


@pytest.mark.parametrize(
    ("others", "is_allowed", "slug", "severity"),
    [
        (foreign(), False, "foreign-velero", "blocks"),
        (foreign(servers={}, holders={"old": "b-1"}), False, "foreign-velero", "blocks"),
        (foreign(), True, "foreign-velero-beside", "note"),
        (foreign(held=definitions(without="spec.resourcePolicy")), True, "foreign-velero-older", "blocks"),
    ],
    ids=["server", "leftovers", "allowed", "too-old"],
)
def test_another_velero_is_refused_unless_allowed_and_new_enough(others, is_allowed, slug, severity):
    found = judge_others(others, is_allowed=is_allowed, image=IMAGE)
    assert (found.slug, found.severity) == (slug, severity)


def test_cluster_without_another_velero_is_no_finding():
    assert judge_others(foreign(servers={}), is_allowed=False, image=IMAGE) is None


def test_older_definitions_of_an_operator_are_the_operators_to_update():
    held = definitions(without="spec.resourcePolicy")
    held["backups"]["metadata"]["labels"] = {"operators.coreos.com/redhat-oadp-operator.openshift-adp": ""}
    found = judge_others(foreign(held=held), is_allowed=True, image=IMAGE)
    assert "operator" in found.remedy


def test_namespaces_of_another_velero_are_left_out_of_a_backup():
    command = without_foreign(a_backup_command(all_namespaces=True, excluded_namespaces=("tmp",)), namespaces={"velero", "tmp"})
    assert command.selection.excluded_namespaces == ("tmp", "velero")


def test_images_that_ran_before_are_read_from_the_deployment():
    images = IMAGES.model_copy(update={"pull_secret_name": "registry"})
    assert images_of(server(images, namespace="cloudcasa-io")) == images
    assert images_of(None) is None


def test_update_that_was_taken_back_names_both_images():
    wanted = IMAGES.model_copy(update={"velero": "velero/velero:broken"})
    problem = taken_back(EngineInstallError("It crashed."), wanted=wanted, before=IMAGES)
    assert problem.slug == "engine-update-failed"
    assert problem.text == f"Velero could not be updated to velero/velero:broken; {IMAGES.velero} runs again. It crashed."


class Cluster:
    """A cluster by kind of object; what is not there is empty, what is in `refused` may not be read."""

    def __init__(self, objects=None, *, refused=(), allowed=True):
        self.objects = objects or {}
        self.refused = refused
        self.allowed = allowed

    async def list(self, resource, **_):
        if resource in self.refused:
            raise KubeError("Not today.")
        return Listing(items=tuple(self.objects.get(resource, ())), resource_version="1")

    async def list_or_empty(self, resource, **how):
        return (await self.list(resource, **how)).items

    async def find(self, resource, *, name, **_):
        return next((item for item in self.objects.get(resource, ()) if item["metadata"]["name"] == name), None)

    async def create(self, resource, body):
        assert resource == SUBJECT_ACCESS_REVIEWS
        return body | {"status": {"allowed": self.allowed}}

    async def version(self):
        return "v1.34.4"


async def looked_over(cluster, **command):
    asked = PreflightRun(velero_image=IMAGE, **command)
    return await look_over(cluster, asked, namespace="cloudcasa-io", agent_version="0.1.0", agent_account="cloudcasa-io")


async def test_cluster_that_is_as_it_should_be_has_no_findings():
    api = {"metadata": {"name": "volumesnapshots.snapshot.storage.k8s.io"}}
    cluster = Cluster({NODES: [a_node()], CUSTOM_RESOURCE_DEFINITIONS: [api]})
    assert told((await looked_over(cluster)).findings) == [("no-storage-class", "note")]


async def test_worst_is_told_first():
    cluster = Cluster({NODES: [], STORAGE_CLASSES: [a_storage_class()], DEPLOYMENTS: [a_deployment()]}, allowed=False)
    found = (await looked_over(cluster)).findings
    ranks = [("blocks", "degrades", "note").index(each.severity) for each in found]
    assert ranks == sorted(ranks)
    assert {"foreign-velero", "rights-missing", "no-nodes", "no-snapshot-api"} <= {each.slug for each in found}


async def test_what_may_not_be_read_is_told_and_the_rest_is_looked_at():
    found = (await looked_over(Cluster(refused=(NODES,), allowed=False))).findings
    assert {"not-checked", "rights-missing"} <= {each.slug for each in found}


async def test_our_own_velero_is_not_another():
    deployments = [a_deployment(namespace="cloudcasa-io"), a_deployment(namespace="tools")]
    assert (await find_others(Cluster({DEPLOYMENTS: deployments}), namespace="cloudcasa-io")).namespaces == {"tools"}


@pytest.fixture
async def storage():
    """An object store that refuses everybody, at the address that is returned, an hour behind."""

    async def refuse(_):
        return web.Response(status=403, headers={"Date": (datetime.now(UTC) - timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    await runner.cleanup()


async def test_store_that_refuses_is_reached_and_its_clock_is_compared(storage):
    [found] = await find_unreachable([StorageAddress(name="main", endpoint=storage)])
    assert (found.slug, found.severity) == ("clock-skew", "blocks")
    assert "main" in found.text


async def test_store_that_cannot_be_reached_is_named():
    [found] = await find_unreachable([StorageAddress(name="main", endpoint="http://127.0.0.1:1")])
    assert (found.slug, found.severity) == ("storage-unreachable", "degrades")
    assert "http://127.0.0.1:1" in found.text
