"""Deleting a backup, against a real S3 server and a small Kubernetes API that plays Velero: only what is seen to be gone is called deleted."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from cloudcasa_agent.handlers.backup_delete import run_delete
from cloudcasa_agent.handlers.context import Context, Engine
from cloudcasa_agent.kube import KubeClient
from cloudcasa_agent.velero import deletion
from cloudcasa_agent.velero.bucket import open_bucket
from cloudcasa_agent.velero.errors import DeleteRefusedError, DeleteUnverifiedError, NotExpiredError
from cloudcasa_contract.commands import BackupDelete
from kubernetes.aio import client as kubernetes_client

from tests.support.s3_tls import private_s3

NAMESPACE = "cloudcasa-io"
VELERO = f"/apis/velero.io/v1/namespaces/{NAMESPACE}"
FILE = "backups/b-1/velero-backup.json"


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    with private_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


class Velero:
    """An API server with a Velero behind it: it deletes what is asked for, or does it wrong in the way it is told to."""

    def __init__(self, target):
        self.target = target
        self.is_known = True
        self.finds_after = 0
        self.errors = []
        self.leaves_files = False
        self.snapshots = []
        self.requests = {}
        self.available = {"phase": "Available", "lastValidationTime": "2026-11-25T00:00:00Z"}
        self.stored = {}

    async def handle(self, request):
        path, kind = request.path, request.path.split("/")[-1]
        if request.query.get("watch") == "true":
            await asyncio.sleep(0.05)
            return web.Response(text="", content_type="application/json")
        if path == f"{VELERO}/backups/b-1":
            self.finds_after -= 1
            is_there = self.is_known or self.finds_after == 0
            return self.answer({"metadata": {"name": "b-1", "uid": "u-1"}} if is_there else None)
        if path.endswith("/volumesnapshotcontents"):
            found = [{"metadata": {"name": self.snapshots.pop()}}] if self.snapshots else []
            return self.answer({"metadata": {"resourceVersion": "1"}, "items": found})
        if kind == "deletebackuprequests":
            if request.method == "POST":
                return self.answer(await self.delete(await request.json()))
            return self.answer({"metadata": {"resourceVersion": "1"}, "items": list(self.requests.values())})
        if "/deletebackuprequests/" in path:
            return self.answer(self.requests.pop(kind, None))
        if kind == "backupstoragelocations":
            return self.answer({"metadata": {"resourceVersion": "1"}, "items": [self.stored[at] for at in self.stored if kind in at]})
        if request.method == "PATCH":
            body = await request.json()
            self.stored[path] = body | {"metadata": body.get("metadata", {}) | {"uid": path}, "status": self.available}
        return self.answer(self.stored.get(path))

    async def delete(self, body):
        async with open_bucket(self.target) as bucket:
            if not self.errors and not self.leaves_files:
                await bucket.delete(FILE)
        body["metadata"]["uid"] = "u-2"
        return self.requests.setdefault(body["metadata"]["name"], body | {"status": {"phase": "Processed", "errors": self.errors}})

    @staticmethod
    def answer(body):
        return web.json_response(body if body is not None else {"reason": "NotFound"}, status=200 if body is not None else 404)


@asynccontextmanager
async def deleting(s3, *, prefix, files=True, **velero):
    """Give a Velero and what runs the command; its bucket holds the backup's files."""
    target = s3.target(prefix=prefix)
    if files:
        async with open_bucket(target) as bucket:
            await bucket.put(FILE, b"{}")
    fake = Velero(target)
    for name, value in velero.items():
        setattr(fake, name, value)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    client = KubeClient(kubernetes_client.ApiClient(kubernetes_client.Configuration(host=f"http://127.0.0.1:{port}")))
    context = Context(engine=Engine(client=client, namespace=NAMESPACE), command_id="c-1", tell=lambda _: None)

    async def run(**fields):
        return await run_delete(BackupDelete(backup_name="b-1", storage=target, **fields), context=context)

    try:
        yield fake, run
    finally:
        await client.aclose()
        await runner.cleanup()


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(deletion, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(deletion, "SYNC_SECONDS", 5.0)
    monkeypatch.setattr(deletion, "SNAPSHOT_SECONDS", 5.0)


async def test_backup_is_deleted_when_nothing_of_it_is_left(s3):
    async with deleting(s3, prefix="plain", snapshots=["vsc-1", "vsc-1"]) as (velero, run):
        assert not (await run()).was_missing
    assert velero.snapshots == [], "the driver was waited for"


async def test_files_that_velero_left_are_no_deletion(s3):
    async with deleting(s3, prefix="left", leaves_files=True) as (_, run):
        with pytest.raises(DeleteUnverifiedError, match="still holds files"):
            await run()


async def test_snapshots_that_the_driver_keeps_are_no_deletion(s3, monkeypatch):
    monkeypatch.setattr(deletion, "SNAPSHOT_SECONDS", 0.1)
    async with deleting(s3, prefix="kept", snapshots=["vsc-1"] * 1000) as (_, run):
        with pytest.raises(DeleteUnverifiedError, match="has not deleted its snapshots"):
            await run()


async def test_what_velero_refuses_is_said_and_the_files_stay(s3):
    async with deleting(s3, prefix="refused", errors=["the repository is locked"]) as (velero, run):
        with pytest.raises(DeleteRefusedError, match="the repository is locked"):
            await run()
        assert velero.requests == {}, "the next try makes a request of its own"
        async with open_bucket(velero.target) as bucket:
            assert await bucket.keys() == (FILE,)


async def test_backup_that_is_gone_from_cluster_and_bucket_is_deleted(s3):
    async with deleting(s3, prefix="gone", files=False, is_known=False) as (_, run):
        assert (await run()).was_missing


async def test_backup_that_somebody_deleted_with_kubectl_is_deleted_when_velero_found_it_again(s3):
    async with deleting(s3, prefix="found", is_known=False, finds_after=3) as (velero, run):
        assert not (await run()).was_missing
        async with open_bucket(velero.target) as bucket:
            assert await bucket.keys() == ()


async def test_files_that_velero_does_not_find_are_no_deletion(s3, monkeypatch):
    monkeypatch.setattr(deletion, "SYNC_SECONDS", 0.1)
    async with deleting(s3, prefix="unfound", is_known=False) as (_, run):
        with pytest.raises(DeleteUnverifiedError, match="does not find"):
            await run()


async def test_bucket_that_does_not_answer_is_no_deletion(s3):
    async with deleting(s3, prefix="away", is_known=False) as (velero, _):
        command = BackupDelete(backup_name="b-1", storage=velero.target.model_copy(update={"bucket": "nobodys"}))
        with pytest.raises(DeleteUnverifiedError, match="could not be seen"):
            await deletion.is_in_bucket(command)


@pytest.mark.parametrize(("hours", "is_refused"), [(1, True), (-1, False)], ids=["to come", "over"])
async def test_backup_is_kept_while_the_clusters_clock_says_so(s3, hours, is_refused):
    until = datetime.now(UTC) + timedelta(hours=hours)
    async with deleting(s3, prefix=f"clock-{hours}") as (velero, run):
        if is_refused:
            with pytest.raises(NotExpiredError, match="kept until"):
                await run(not_before=until)
            async with open_bucket(velero.target) as bucket:
                assert await bucket.keys() == (FILE,)
        else:
            await run(not_before=until)
