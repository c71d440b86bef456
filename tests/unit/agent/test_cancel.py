"""Stopping runs on a cluster: what is taken over, what is withdrawn, what belongs to a restore and what never does."""

from __future__ import annotations

import asyncio

import pytest
from cloudcasa_agent.channel import Outbox
from cloudcasa_agent.handlers import Context, Dispatcher
from cloudcasa_agent.handlers.context import Engine
from cloudcasa_agent.handlers.dispatch import fit
from cloudcasa_agent.kit.unbroken import unbroken
from cloudcasa_agent.kube import Resource
from cloudcasa_agent.kube.errors import ConflictError, ForbiddenError
from cloudcasa_agent.velero.drive import create_or_find
from cloudcasa_agent.velero.errors import BackupVanishedError
from cloudcasa_agent.velero.resources import BACKUPS
from cloudcasa_agent.velero.stopping import BACKUP, stop_movements, with_helper, withdraw
from cloudcasa_agent.velero.undo import Made, is_younger, strangers, targets, undo_restore
from cloudcasa_contract.commands import Artifacts, RunCancelled
from cloudcasa_contract.frames import MAX_FRAME_BYTES, CommandFrame, Outcome, Result, encode

from tests.support.agent_builders import a_backup_command, a_data_upload
from tests.support.agent_kube import ToyCluster, an_object
from tests.support.scripted_agent import a_backup

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
PODS = Resource("", "v1", "pods", "Pod")
CLASSES = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", is_namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", is_namespaced=False)
BEFORE, START, AFTER = "2026-11-25T05:00:00Z", "2026-11-25T06:00:00Z", "2026-11-25T06:00:01Z"
MINE = {"velero.io/restore-name": "r-1"}


def a_drive(client, **changes):
    return Context(engine=Engine(client=client, namespace="cloudcasa-io"), command_id="c-1", tell=lambda _: None, **changes).drive()


def a_backup_object(phase="", *, version="1"):
    return an_object("b-1", namespace="cloudcasa-io", resourceVersion=version) | {"status": {"phase": phase}}


@pytest.mark.parametrize("phase", ["", "New", "Queued"])
async def test_run_that_has_not_begun_is_deleted(phase):
    cluster = ToyCluster({BACKUPS: [a_backup_object(phase)]})

    assert await withdraw(a_drive(cluster), BACKUPS, a_backup_object(phase))
    assert cluster.names(BACKUPS) == []


@pytest.mark.parametrize("phase", ["ReadyToStart", "InProgress", "Finalizing", "Completed"])
async def test_run_that_has_begun_is_left_to_its_end(phase):
    cluster = ToyCluster({BACKUPS: [a_backup_object(phase)]})

    assert not await withdraw(a_drive(cluster), BACKUPS, a_backup_object(phase))
    assert cluster.names(BACKUPS) == ["b-1"]


async def test_run_that_begins_at_that_moment_is_left_to_its_end():
    cluster = ToyCluster({BACKUPS: [a_backup_object("InProgress", version="2")]})

    assert not await withdraw(a_drive(cluster), BACKUPS, a_backup_object("Queued", version="1"))
    assert cluster.names(BACKUPS) == ["b-1"]


async def test_run_that_somebody_deletes_at_that_moment_is_gone():
    assert await withdraw(a_drive(ToyCluster({})), BACKUPS, a_backup_object("Queued"))


async def test_what_takes_a_run_over_never_makes_it_anew():
    drive = (
        Context(engine=Engine(client=ToyCluster({}), namespace="cloudcasa-io"), command_id="c-2", tell=lambda _: None)
        .instead_of("c-1")
        .drive()
    )

    with pytest.raises(BackupVanishedError):
        await create_or_find(drive, BACKUPS, a_backup_object())
    assert drive.command_id == "c-1"


async def test_every_movement_is_asked_once_and_those_that_ended_never():
    phases = {"n": "New", "i": "InProgress", "c": "Completed", "f": "Failed", "x": "Canceled"}
    uploads = [a_data_upload(name=name, phase=phase) for name, phase in phases.items()]
    asked = a_data_upload(name="a", phase="InProgress")
    asked["spec"]["cancel"] = True
    cluster = ToyCluster({BACKUP.movements[0]: [*uploads, asked]})

    await with_helper(cluster.until(lambda: len(cluster.patched) >= 2), helper=stop_movements(a_drive(cluster), BACKUP, name="b-1"))

    assert sorted(set(cluster.patched)) == ["i", "n"]
    assert all(item["spec"]["cancel"] for item in cluster.items(BACKUP.movements[0]) if item["metadata"]["name"] in "ina")


async def test_trouble_of_the_sweeper_ends_the_waiting():
    async def refused():
        raise ForbiddenError("May not patch.")

    with pytest.raises(ForbiddenError, match="May not patch"):
        await with_helper(asyncio.Event().wait(), helper=refused())


async def test_creation_that_was_begun_is_finished_before_the_command_stops():
    began, go_on, made = asyncio.Event(), asyncio.Event(), []

    async def create():
        began.set()
        await go_on.wait()
        made.append("b-1")

    task = asyncio.ensure_future(unbroken(create()))
    await began.wait()
    task.cancel()
    go_on.set()
    await asyncio.wait([task])

    assert task.cancelled()
    assert made == ["b-1"]


async def test_command_that_is_given_up_has_no_result_and_may_be_gone_already():
    outbox, began = Outbox(), asyncio.Event()

    async def forever(_, __):
        began.set()
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(engine=Engine(client=ToyCluster({}), namespace="cloudcasa-io"), outbox=outbox, tasks=tasks, handle=forever)
        dispatcher.on_command(CommandFrame(command_id="c-1", delivery=1, command=a_backup_command()))
        await began.wait()
        await dispatcher.give_up("c-1")
        await dispatcher.give_up("c-1")
        assert dispatcher.running == ()
        assert outbox.is_empty


def test_huge_output_of_a_stopped_run_fits_into_a_frame():
    run = a_backup(artifacts=Artifacts(log="x" * MAX_FRAME_BYTES, resources={"v1/Pod": 2}))

    fitted = fit(Result(message_id="m", command_id="c", outcome=Outcome.SUCCEEDED, output=RunCancelled(is_stopped=True, run=run)))

    assert len(encode(fitted)) < MAX_FRAME_BYTES
    assert fitted.output.run.artifacts.resources == {"v1/Pod": 2}
    assert fitted.output.run.artifacts.missing == ("Log and volumes: too large to be sent.",)


def a_restore_object(**spec):
    return an_object("r-1", namespace="cloudcasa-io", creationTimestamp=START) | {"spec": spec}


@pytest.mark.parametrize(("time", "is_so"), [(BEFORE, False), (START, True), (AFTER, True)])
def test_only_what_is_no_older_than_the_restore_can_be_its_own(time, is_so):
    assert is_younger(an_object("x", creationTimestamp=time), START) is is_so


def test_targets_are_named_as_they_are_after_the_restore():
    assert targets(a_restore_object(includedNamespaces=["web", "db"], namespaceMapping={"web": "new"})) == {"new", "db"}
    assert targets(a_restore_object(namespaceMapping={"web": "new"})) == {"new"}
    assert targets(a_restore_object()) == set()


@pytest.mark.parametrize(
    ("kind", "item", "is_stranger"),
    [
        (PODS, an_object("p", namespace="new", labels=MINE), False),
        (PODS, an_object("p", namespace="new", labels={"velero.io/restore-name": "other"}), True),
        (PODS, an_object("p", namespace="new", ownerReferences=[{"kind": "ReplicaSet"}]), False),
        (PODS, an_object("p", namespace="new"), True),
        (CONFIG_MAPS, an_object("kube-root-ca.crt", namespace="new"), False),
        (CONFIG_MAPS, an_object("settings", namespace="new"), True),
        (Resource("", "v1", "events", "Event"), an_object("e", namespace="new"), False),
        (PODS, an_object("p", namespace="new", deletionTimestamp=AFTER), False),
    ],
    ids=lambda value: value if isinstance(value, bool) else "",
)
def test_stranger_in_a_namespace_is_what_neither_the_restore_nor_kubernetes_made(kind, item, is_stranger):
    assert bool(strangers([Made(kind, item)], selector="velero.io/restore-name=r-1")) is is_stranger


async def test_restore_into_an_existing_namespace_loses_its_own_objects_and_no_others():
    cluster = ToyCluster(
        {
            NAMESPACES: [an_object("web", creationTimestamp=BEFORE)],
            CONFIG_MAPS: [
                an_object("made", namespace="web", labels=MINE, creationTimestamp=AFTER),
                an_object("updated", namespace="web", labels=MINE, creationTimestamp=BEFORE),
                an_object("users", namespace="web", creationTimestamp=AFTER),
                an_object("other", namespace="web", labels={"velero.io/restore-name": "r-2"}, creationTimestamp=AFTER),
            ],
            CLASSES: [an_object("fast", labels=MINE, creationTimestamp=AFTER)],
        }
    )

    undone = await undo_restore(a_drive(cluster), a_restore_object(includedNamespaces=["web"]))

    assert cluster.names(CONFIG_MAPS) == ["other", "updated", "users"]
    assert cluster.names(NAMESPACES) == ["web"]
    assert cluster.names(CLASSES) == ["fast"]
    assert undone.removed == 1
    assert undone.left == ("What has no namespace stays, since others may use it by now: StorageClass fast.",)


async def test_namespace_that_the_restore_made_goes_as_a_whole():
    cluster = ToyCluster(
        {
            NAMESPACES: [an_object("web", creationTimestamp=BEFORE), an_object("new", creationTimestamp=START)],
            CONFIG_MAPS: [
                an_object("made", namespace="new", labels=MINE, creationTimestamp=AFTER),
                an_object("kube-root-ca.crt", namespace="new"),
            ],
        }
    )

    undone = await undo_restore(a_drive(cluster), a_restore_object(namespaceMapping={"web": "new"}))

    assert cluster.names(NAMESPACES) == ["web"]
    assert (undone.removed, undone.left) == (2, ())


async def test_namespace_into_which_somebody_put_something_stays_without_what_was_restored():
    cluster = ToyCluster(
        {
            NAMESPACES: [an_object("new", creationTimestamp=START)],
            CONFIG_MAPS: [an_object("made", namespace="new", labels=MINE, creationTimestamp=AFTER), an_object("users", namespace="new")],
        }
    )

    undone = await undo_restore(a_drive(cluster), a_restore_object(includedNamespaces=["new"]))

    assert cluster.names(NAMESPACES) == ["new"]
    assert cluster.names(CONFIG_MAPS) == ["users"]
    assert undone.left == ('The namespace "new" stays: it holds what the restore did not make (ConfigMap new/users).',)


async def test_namespace_of_the_same_time_that_is_not_a_target_is_not_touched():
    cluster = ToyCluster({NAMESPACES: [an_object("bystander", creationTimestamp=AFTER)]})

    undone = await undo_restore(a_drive(cluster), a_restore_object(includedNamespaces=["web"]))

    assert cluster.names(NAMESPACES) == ["bystander"]
    assert (undone.removed, undone.left) == (0, ())


async def test_object_that_was_made_anew_under_the_same_name_is_not_deleted():
    cluster = ToyCluster({CONFIG_MAPS: [an_object("made", namespace="web", uid="new")]})

    with pytest.raises(ConflictError):
        await cluster.delete_exactly(CONFIG_MAPS, an_object("made", namespace="web", uid="old"))


async def test_kind_that_cannot_be_read_is_named():
    cluster = ToyCluster({CONFIG_MAPS: [], PODS: []}, away=PODS)

    undone = await undo_restore(a_drive(cluster), a_restore_object(includedNamespaces=["web"]))

    assert undone.left == ("The cluster's API did not tell whether the restore made some of these: Pod.",)
