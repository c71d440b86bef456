"""A server with something of everything: a cluster whose agent answers, and what came of a backup, a copy and a restore."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from .server import Running


@dataclass(frozen=True)
class World:
    """The documents that were made."""

    cluster: dict[str, Any]
    backup: dict[str, Any]
    offload: dict[str, Any]
    point: dict[str, Any]
    restore: dict[str, Any]


@asynccontextmanager
async def a_world(server: Running) -> AsyncIterator[World]:
    """Make the world; its agent stays connected."""
    await server.a_store()
    await server.make("policies", name="nightly", schedules=[{"retainDays": 7, "schedule": {"cronSpec": "30 0 * * *"}}])
    cluster = await server.a_cluster()
    agent = await server.an_agent(cluster)
    async with agent.connected():
        await server.state(cluster["_id"], "ACTIVE")
        backup = await server.a_backup(cluster["_id"])
        offload = await server.make("kubeoffloads", name="web", backupdef=backup["_id"], offload_provider={})
        await server.act(f"kubeoffloads/{offload['_id']}/action/run", runBackup=True)
        await server.job(backupdef=backup["_id"])
        point = (await server.get("backupinstances"))["_items"][0]
        selection = {"namespaces": ["web"]}
        restore = await server.make("kuberestores", name="back", backup_inst=point["_id"], selection=selection, namespaces_suffix="-copy")
        await server.job(restoredef=restore["_id"])
        yield World(cluster, backup, offload, point, restore)
