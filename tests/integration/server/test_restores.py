"""Restores into another cluster and of chosen parts: what the agents are told, and what is refused before anything is made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.scripted_agent import ScriptedAgent
from tests.support.server import Running

EVERYTHING = {"all_namespaces": True}


@dataclass(frozen=True)
class Two:
    """Two clusters with their agents, and a copy of the first."""

    near: dict[str, Any]
    far: dict[str, Any]
    far_agent: ScriptedAgent
    point: dict[str, Any]


@asynccontextmanager
async def two(server: Running, *, copy: bool = True, **source: Any) -> AsyncIterator[Two]:
    store = await server.a_store()
    near, far = await server.a_cluster("near"), await server.a_cluster("far")
    agents = [await server.an_agent(cluster) for cluster in (near, far)]
    async with agents[0].connected(), agents[1].connected():
        for cluster in (near, far):
            await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(near["_id"], source=source or {"namespaces": ["web"]})
        path = f"kubebackups/{backup['_id']}"
        if copy:
            provider = {"user_objectstore": store["_id"]}
            offload = await server.make("kubeoffloads", name="web", backupdef=backup["_id"], offload_provider=provider)
            path = f"kubeoffloads/{offload['_id']}"
        await server.act(f"{path}/action/run", runBackup=True)
        await server.job(backupdef=backup["_id"])
        yield Two(near, far, agents[1], (await server.get("backupinstances"))["_items"][0])


async def test_other_cluster_reads_the_sources_prefix_and_never_writes_it(server):
    async with two(server) as both:
        body = {"name": "away", "backup_inst": both.point["_id"], "selection": EVERYTHING, "cluster": both.far["_id"]}
        restore = await server.make("kuberestores", **body, namespaces_suffix="-x", storage_class_map={"slow": "fast"})
        job = await server.job(restoredef=restore["_id"])
        sent = (await both.far_agent.command("restore.run.2")).command
    assert (restore["cluster"], restore["source_cluster"]) == (both.far["_id"], both.near["_id"])
    assert (job["state"], job["cluster"], job["cluster_name"]) == ("COMPLETED", both.far["_id"], "far")
    assert (sent.storage.prefix, sent.storage.read_only) == (both.near["_id"], True)
    assert (sent.namespace_map, sent.storage_class_map) == ({"web": "web-x"}, {"slow": "fast"})


async def test_recovery_point_of_a_deleted_cluster_is_restored_into_one_that_is_named(server):
    async with two(server) as both:
        assert (await server.api.delete(f"/api/v1/kubeclusters/{both.near['_id']}")).status_code == 204
        body = {"name": "saved", "backup_inst": both.point["_id"], "selection": EVERYTHING}
        refused = await server.post("kuberestores", **body)
        assert (refused.status_code, "of this recovery point was deleted" in refused.text) == (422, True), refused.text
        restore = await server.make("kuberestores", **body, cluster=both.far["_id"])
        assert (await server.job(restoredef=restore["_id"]))["state"] == "COMPLETED"
        assert (await both.far_agent.command("restore.run.2")).command.storage.prefix == both.near["_id"]


async def test_snapshot_is_not_promised_to_a_cluster_where_it_is_not(server):
    async with two(server, copy=False) as both:
        body = {"name": "away", "backup_inst": both.point["_id"], "cluster": both.far["_id"]}
        refused = await server.post("kuberestores", **body, selection=EVERYTHING)
        assert (refused.status_code, "is a snapshot" in refused.text) == (422, True), refused.text
        made = await server.make("kuberestores", **body, selection=EVERYTHING | {"restorePersistentVolumes": False})
        assert (await server.job(restoredef=made["_id"]))["state"] == "COMPLETED"


async def test_every_namespace_of_a_whole_cluster_can_get_a_prefix(server):
    async with two(server, all_namespaces=True) as both:
        body = {"name": "all", "backup_inst": both.point["_id"], "selection": EVERYTHING, "cluster": both.far["_id"]}
        restore = await server.make("kuberestores", **body, namespaces_prefix="old-")
        await server.job(restoredef=restore["_id"])
        sent = (await both.far_agent.command("restore.run.2")).command
    assert (sent.namespace_prefix, sent.namespaces, sent.namespace_map) == ("old-", (), {})


SETTINGS = {"kind": "ConfigMap", "namespace": "web", "name": "settings"}
READER = {"kind": "ClusterRole", "name": "system:reader"}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("objects beside namespaces", {"selection": {"objects": [SETTINGS], "namespaces": ["web"]}}, "leave selection.namespaces out"),
    ("objects beside everything", {"selection": {"objects": [SETTINGS], "all_namespaces": True}}, "leave selection.all_namespaces out"),
    ("objects beside labels", {"selection": {"objects": [SETTINGS], "label_selector": {"a": "b"}}}, "leave selection.label_selector out"),
    ("objects of a namespace and of the cluster", {"selection": {"objects": [SETTINGS, READER]}}, "one after the other"),
    ("objects of a foreign namespace", {"selection": {"objects": [SETTINGS | {"namespace": "db"}]}}, "does not hold the namespace"),
    ("a pattern for a name", {"selection": {"objects": [SETTINGS | {"name": "*"}]}}, "selection.objects"),
    ("a path for a kind", {"selection": {"objects": [SETTINGS | {"kind": "../secrets"}]}}, "selection.objects"),
    ("objects without end", {"selection": {"objects": [SETTINGS] * 501}}, "selection.objects"),
    ("an unknown cluster", {"selection": EVERYTHING, "cluster": "f" * 24}, "f" * 24),
    ("a name that is too long", {"selection": EVERYTHING, "namespaces_map": {"web": "x" * 64}}, "cannot become"),
    ("a name that is none", {"selection": EVERYTHING, "namespaces_map": {"web": "Web_1"}}, "cannot become"),
    ("two that become one", {"selection": EVERYTHING, "namespaces_map": {"web": "one", "db": "one"}}, "would both become"),
    ("a class that is none", {"selection": EVERYTHING, "storage_class_map": {"slow": "Not A Class"}}, "storage_class_map"),
    ("an option that cannot be", {"selection": EVERYTHING, "options": {"existing_resources": "replace"}}, "existing_resources"),
]


async def test_restores_that_cannot_mean_anything_are_refused_before_anything_is_made(server):
    async with two(server) as both:
        for what, body, words in REFUSED:
            answer = await server.post("kuberestores", name="r", backup_inst=both.point["_id"], **body)
            assert answer.status_code == 422, what
            assert words in answer.text, (what, answer.text)
        assert (await server.get("kuberestores"))["_items"] == []
        assert not [frame for frame in both.far_agent.commands if frame.command.kind.startswith("restore")]


@pytest.mark.parametrize("selection", [{"namespaces": []}, {"all_namespaces": False}])
async def test_objects_survive_a_client_that_does_not_know_them(server, selection):
    async with two(server) as both:
        body = {"name": "one", "backup_inst": both.point["_id"]}
        made = await server.make("kuberestores", **body, selection={"objects": [SETTINGS]})
        path, headers = f"/api/v1/kuberestores/{made['_id']}", {"If-Match": made["_etag"]}
        answer = await server.api.put(path, json=body | {"selection": selection, "description": "mine"}, headers=headers)
        assert answer.status_code == 200, answer.text
        assert (await server.get(f"kuberestores/{made['_id']}"))["selection"]["objects"] == [SETTINGS]
