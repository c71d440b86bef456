"""A backup that lacks a whole kind says so, and one that Velero filtered on purpose does not."""

from __future__ import annotations

import pytest
from cloudcasa_agent.kube import KubeError, Listing
from cloudcasa_agent.velero.completeness import find_left_out, is_selected
from cloudcasa_agent.velero.kinds import kinds_of

VERBS = ["create", "delete", "get", "list", "watch"]


def a_resource(plural, *, scope="Namespaced", verbs=VERBS, short=()):
    return {"resource": plural, "scope": scope, "verbs": verbs, "singularResource": plural[:-1], "shortNames": list(short)}


def a_group(name, *resources, version="v1"):
    return {"metadata": {"name": name}, "versions": [{"version": version, "resources": list(resources)}]}


SERVED = (
    a_group("", a_resource("pods"), a_resource("nodes", scope="Cluster")),
    a_group("shop.example", a_resource("wishs", short=["wi"]), a_resource("planets", scope="Cluster")),
    a_group("metrics.k8s.io", a_resource("pods", verbs=["get", "list"])),
)
LOOKED_AT = {"pods", "nodes"}


def an_object(name, *, namespace="app", created="2026-11-23T11:00:00Z", **metadata):
    return {"metadata": {"name": name, "namespace": namespace, "creationTimestamp": created} | metadata}


def a_backup(*, phase="Completed", **spec):
    status = {"phase": phase, "startTimestamp": "2026-11-23T12:00:00Z"}
    return {"spec": {"includedNamespaces": ["app"], "excludedNamespaces": ["cloudcasa-io"]} | spec, "status": status}


class Cluster:
    def __init__(self, *objects, trouble=None):
        self.objects, self.trouble, self.listed = objects, trouble, []

    async def served(self):
        return SERVED

    async def list(self, resource, *, label_selector, is_metadata_enough):
        self.listed.append((resource.plural, label_selector, is_metadata_enough))
        if self.trouble:
            raise self.trouble
        return Listing(items=self.objects, resource_version="1")


async def test_kind_that_velero_did_not_look_at_is_an_error():
    cluster = Cluster(*(an_object(name) for name in "abcd"), an_object("e", namespace="other"))
    errors, doubts = await find_left_out(cluster, a_backup(labelSelector={"matchLabels": {"x": "y"}}), looked_at=LOOKED_AT)
    [error] = errors
    assert 'kind "wishs.shop.example" was left out' in error
    assert "app/a, app/b, app/c and 1 more" in error
    assert doubts == ()
    assert cluster.listed == [("wishs", "x=y", True)]


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(an_object("a", created="2026-11-23T12:00:00Z"), id="made as the backup ran"),
        pytest.param(an_object("a", namespace="other"), id="of another namespace"),
        pytest.param(an_object("a", labels={"velero.io/exclude-from-backup": "true"}), id="labelled out"),
        pytest.param(an_object("a", deletionTimestamp="2026-11-23T11:30:00Z"), id="being deleted"),
    ],
)
async def test_object_that_the_backup_need_not_hold_is_no_error(item):
    assert await find_left_out(Cluster(item), a_backup(), looked_at=LOOKED_AT) == ((), ())


async def test_kind_that_cannot_be_read_is_a_doubt():
    errors, doubts = await find_left_out(Cluster(trouble=KubeError("It is away.")), a_backup(), looked_at=LOOKED_AT)
    assert (errors, len(doubts)) == ((), 1)


@pytest.mark.parametrize(("looked_at", "phase"), [((), "Completed"), (LOOKED_AT, "Failed")])
async def test_without_a_whole_log_nothing_is_claimed(looked_at, phase):
    assert await find_left_out(Cluster(an_object("a")), a_backup(phase=phase), looked_at=looked_at) == ((), ())


@pytest.mark.parametrize(
    ("kind", "spec", "selected"),
    [
        ("wishs.shop.example", {}, True),
        ("wishs.shop.example", {"includedResources": ["pods"]}, False),
        ("wishs.shop.example", {"includedResources": ["wi"]}, True),
        ("wishs.shop.example", {"includedResources": ["*"]}, True),
        ("wishs.shop.example", {"excludedResources": ["wishs.shop.example"]}, False),
        ("planets.shop.example", {}, True),
        ("planets.shop.example", {"includedNamespaces": ["app"]}, False),
    ],
)
def test_kind_is_selected(kind, spec, selected):
    assert is_selected(kinds_of(SERVED)[kind], spec=spec) is selected


def test_kinds_without_the_verbs_of_a_backup_do_not_count():
    assert set(kinds_of(SERVED)) == {"pods", "nodes", "wishs.shop.example", "planets.shop.example"}
