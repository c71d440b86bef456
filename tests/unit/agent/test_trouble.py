"""Trouble at the Kubernetes API and in what it holds: ridden out or told, never the end of the process and never a wrong backup."""

from __future__ import annotations

import asyncio
import base64

import pytest
from cloudcasa_agent.app.credential import SecretCredentialStore
from cloudcasa_agent.channel import Outbox
from cloudcasa_agent.handlers import Context, Dispatcher
from cloudcasa_agent.handlers.backup_run import run_backup
from cloudcasa_agent.handlers.context import Engine
from cloudcasa_agent.kube import KubeUnavailableError, Listing
from cloudcasa_agent.kube.errors import ForbiddenError
from cloudcasa_agent.kube.resources import NAMESPACES
from cloudcasa_agent.velero.drive import Watched
from cloudcasa_agent.velero.errors import NamespaceNotFoundError
from cloudcasa_agent.velero.inventory import take_inventory
from cloudcasa_contract.commands import DeleteOutput, InventoryCollect
from cloudcasa_contract.frames import CommandFrame, Outcome, Result
from pydantic import SecretStr

from tests.support.agent_builders import a_backup_command, a_data_upload


class Away:
    async def version(self):
        raise KubeUnavailableError("The API is away.")

    async def list_or_empty(self, _resource):
        return ()


async def test_inventory_of_a_cluster_that_is_away_is_expected_trouble():
    with pytest.raises(KubeUnavailableError):
        await take_inventory(Away())


class Secrets:
    def __init__(self, data):
        self.data = data

    async def find(self, *_, **__):
        return {"data": self.data}


@pytest.mark.parametrize(
    ("data", "credential"),
    [
        pytest.param({"credential": base64.b64encode(b"good-one").decode()}, SecretStr("good-one"), id="good"),
        pytest.param({"credential": base64.b64encode(b"\xff\xfe\x00").decode()}, None, id="not text"),
        pytest.param({"credential": base64.b64encode(b"a\r\nHost: b").decode()}, None, id="not one word"),
        pytest.param({"credential": "%%%"}, None, id="not base64"),
        pytest.param({}, None, id="empty"),
    ],
)
async def test_garbage_in_the_credential_secret_leaves_the_manifests_credential(data, credential):
    assert await SecretCredentialStore(Secrets(data), namespace="cloudcasa-io").load() == credential


class AnyNamespace:
    """Everything that is asked for exists, and creating is an error: nothing must be created."""

    async def list(self, *_, **__):
        return Listing(items=(), resource_version="1")

    async def find(self, resource, **__):
        return {"metadata": {}} if resource == NAMESPACES else None


@pytest.mark.parametrize(
    "selection",
    [
        pytest.param({"namespaces": ("cloudcasa-io",)}, id="the agent's own"),
        pytest.param({"namespaces": ("app",), "excluded_namespaces": ("app",)}, id="excluded too"),
    ],
)
async def test_backup_of_excluded_namespaces_only_is_refused_and_not_one_of_everything(selection):
    context = Context(engine=Engine(client=AnyNamespace(), namespace="cloudcasa-io"), command_id="c-1", tell=lambda _: None)
    with pytest.raises(NamespaceNotFoundError, match="excluded"):
        await run_backup(a_backup_command(**selection), context=context)


def test_name_cannot_leave_its_place_in_a_path():
    assert NAMESPACES.path(name="../../nodes?x=1#") == "/api/v1/namespaces/..%2F..%2Fnodes%3Fx%3D1%23"


@pytest.mark.parametrize("error", [KubeUnavailableError("away"), ForbiddenError("rights not read yet")])
async def test_command_outlives_an_api_server_that_restarts(error):
    attempts = []

    async def handle(_command, _context):
        attempts.append(1)
        if len(attempts) < 3:
            raise error
        return DeleteOutput()

    outbox = Outbox()
    async with asyncio.TaskGroup() as group:
        engine = Engine(client=None, namespace="cloudcasa-io")
        dispatcher = Dispatcher(engine=engine, outbox=outbox, tasks=group, handle=handle, retry_seconds=0.0)
        dispatcher.on_command(CommandFrame(command_id="c-1", delivery=1, command=InventoryCollect()))
    frames = []
    while (frame := outbox.next_frame(now=0.0)[0]) is not None:
        frames.append(frame)
    [result] = [frame for frame in frames if isinstance(frame, Result)]
    assert (result.outcome, len(attempts)) == (Outcome.SUCCEEDED, 3)


def test_movement_that_was_deleted_says_so():
    watched = Watched(run={"metadata": {"name": "b-1"}})
    watched.forget(a_data_upload(phase="InProgress"))
    watched.forget(a_data_upload(name="done", phase="Completed"))
    assert {name: item["status"]["phase"] for name, item in watched.movements.items()} == {"b-1-x": "Deleted", "done": "Completed"}
