"""When the agent may wake a controller, or do what the node agent would do next: the rules alone; tests/lab/test_hurry.py shows them at work."""

from __future__ import annotations

import asyncio

import pytest
from cloudcasa_agent.kube import Event, EventKind, Listing
from cloudcasa_agent.velero.drive import Drive, watch_run
from cloudcasa_agent.velero.hurry_backup import is_spare
from cloudcasa_agent.velero.hurry_restore import is_bound, is_consumed, is_reserved
from cloudcasa_agent.velero.resources import BACKUPS, DATA_UPLOADS

CLAIM = ("app", "data")


def a_claim(*, node=""):
    return {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": node} if node else {}}}


def a_volume(*, phase, owner=CLAIM, uid=""):
    namespace, name = owner
    return {"spec": {"claimRef": {"namespace": namespace, "name": name} | ({"uid": uid} if uid else {})}, "status": {"phase": phase}}


def a_content(*, policy="Retain", handle="h1", source="h1"):
    return {
        "spec": {"deletionPolicy": policy, "source": {"snapshotHandle": source}},
        "status": {"snapshotHandle": handle} if handle else {},
    }


@pytest.mark.parametrize(
    ("binding_mode", "node", "expected"),
    [("WaitForFirstConsumer", "", False), ("WaitForFirstConsumer", "n1", True), ("Immediate", "", True), ("", "", True)],
    ids=["waits for a pod", "has a node", "needs none", "of no known class"],
)
def test_claim_is_ready_for_its_data_when_the_node_agent_would_go_on(binding_mode, node, *, expected):
    assert is_consumed(a_claim(node=node), binding_mode=binding_mode) is expected


@pytest.mark.parametrize(
    ("volume", "reserved", "bound"),
    [
        (a_volume(phase="Available"), True, False),
        (a_volume(phase="Released"), False, False),
        (a_volume(phase="Bound", uid="u1"), False, True),
        (a_volume(phase="Available", uid="u1"), False, False),
        (a_volume(phase="Available", owner=("app", "other")), False, False),
        (a_volume(phase="Bound", owner=("velero", "mover"), uid="u2"), False, False),
        ({"spec": {}, "status": {"phase": "Available"}}, False, False),
        ({"spec": {}}, False, False),
    ],
    ids=["kept for it", "not yet seen by the binder", "its own", "half bound", "kept for another", "the mover's", "nobody's", "new"],
)
def test_claim_is_touched_only_while_its_volume_is_kept_for_it(volume, *, reserved, bound):
    assert (is_reserved(volume, claim=CLAIM), is_bound(volume, claim=CLAIM)) == (reserved, bound)


@pytest.mark.parametrize(
    ("content", "successor", "expected"),
    [
        (a_content(), a_content(policy="Delete"), True),
        (a_content(policy="Delete"), a_content(), False),
        (a_content(), None, False),
        (a_content(), a_content(source="h2"), False),
        (a_content(handle=""), a_content(source=""), False),
    ],
    ids=["held twice", "would delete the snapshot", "held by nobody else", "another snapshot", "without a handle"],
)
def test_content_is_spare_only_if_the_snapshot_outlives_it(content, successor, *, expected):
    assert is_spare(content, successor=successor) is expected


class OneBackup:
    """A cluster whose only Backup ends after the trouble."""

    def __init__(self):
        self.is_troubled = asyncio.Event()

    async def trouble(self):
        self.is_troubled.set()
        raise KeyError("a field that was always there")

    async def follow(self, resource, **_):
        await self.is_troubled.wait()
        if resource is BACKUPS:
            yield Event(EventKind.CHANGED, {"metadata": {"name": "b"}, "status": {"phase": "Completed"}})
        await asyncio.Event().wait()

    async def list(self, *_, **__):
        return Listing(items=(), resource_version="1")


async def test_bug_in_what_hurries_a_run_fails_nothing():
    cluster = OneBackup()
    drive = Drive(client=cluster, namespace="n", command_id="c", tell=lambda _: None)
    run = {"metadata": {"name": "b"}}
    watched = await watch_run(drive, BACKUPS, run, movements=DATA_UPLOADS, selector="s", beside=cluster.trouble())
    assert watched.phase == "Completed"
