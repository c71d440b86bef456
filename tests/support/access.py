"""The whole server in the test's own process, without sockets, and callers with the rights that a test gives them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cloudcasa_server.app import create_app
from cloudcasa_server.inventory.model import stable_id
from cloudcasa_server.inventory.service import Inventories
from cloudcasa_server.kit.ids import new_id
from cloudcasa_server.kit.settings import Settings
from cloudcasa_server.kit.store import Store, eq
from cloudcasa_server.kit.store.sqlite import SqliteStore
from fastapi import FastAPI

from .server import FakeProbe, a_store_body


@dataclass
class Caller:
    """One who calls."""

    client: httpx.AsyncClient
    key: str
    id: str = ""

    async def ask(self, method: str, path: str, *, etag: str | None = "*", **how: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} | ({"If-Match": etag} if etag and method in {"PUT", "PATCH"} else {})
        return await self.client.request(method, f"/api/v1/{path}", headers=headers | how.pop("headers", {}), **how)

    async def status(self, method: str, path: str, **how: Any) -> int:
        return (await self.ask(method, path, **how)).status_code

    async def make(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.ask("POST", path, json=body)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        answer = await self.ask("GET", path, params={key: json.dumps(value) for key, value in query.items()})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["_meta"]["total"] == len(body["_items"])
        items: list[dict[str, Any]] = body["_items"]
        return items

    async def names(self, path: str, **query: Any) -> list[str]:
        return sorted(item["name"] for item in await self.rows(path, **query))


@dataclass
class House:
    """A running server, its administrator, and what it holds."""

    app: FastAPI
    client: httpx.AsyncClient
    admin: Caller
    store: Store
    made: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def a_key(self, name: str | None = None, **fields: Any) -> Caller:
        """Return a caller with a new key of these rights."""
        key = await self.admin.make("apikeys", name=name or f"key-{new_id()}", **fields)
        return Caller(self.client, key["apikey"], key["_id"])

    async def a_team(
        self, *, resource: str, ids: list[str], roles: list[str] | None = None, permissions: list[str] | None = None
    ) -> Caller:
        """Return a caller with one row of access control."""
        row = {"resource": resource, "resourceIds": ids, "roles": roles or [], "permissions": permissions or []}
        return await self.a_key(acls=[row])

    async def a_namespace(self, cluster: str, name: str) -> str:
        """Put a namespace into the inventory, as an agent's report would."""
        row = {"cluster_id": cluster, "name": name}
        documents = self.app.state.parts.services.get(Inventories).documents["kubenamespaces"]
        document = documents.new({"_id": stable_id("kubenamespaces", row), **row})
        await documents.insert(document)
        return str(document["_id"])

    async def a_point(self, cluster: str, name: str, **selection: Any) -> str:
        """Put a recovery point into the catalog, as a job would."""
        point = {
            "_id": new_id(),
            "_created": 1,
            "_updated": 1,
            "_etag": "e",
            "name": name,
            "state": "READY",
            "type": "COPY",
            "cluster": cluster,
            "cluster_name": "c",
            "backupdef": new_id(),
            "backup_selection": selection,
            "backup_job_id": new_id(),
            "status": {},
            "backup_location": {"bucket_name": "b", "prefix": "p"},
            "objectstore": new_id(),
            "velero": {"backup_name": "v"},
        }
        await self.store.collection("backupinstances").insert(point)
        return str(point["_id"])

    async def entries(self, **where: Any) -> list[dict[str, Any]]:
        """Return audit entries, oldest first."""
        answer = await self.admin.ask("GET", "auditlogs", params={"where": json.dumps(where), "sort": "_id", "max_results": "1000"})
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["_items"]
        return items


@asynccontextmanager
async def a_house(directory: Path, **settings: Any) -> AsyncIterator[House]:
    """Run a server with many keys allowed."""
    store = SqliteStore(directory / "house.db", synchronous="OFF")
    wanted: dict[str, Any] = {"api_key_quota": 1_000, "tls": False, "public_url": "http://house.example"} | settings
    app = create_app(Settings(data_dir=directory, **wanted), probe=FakeProbe(), store=store)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://house.example") as client:
            key = (directory / "bootstrap-key").read_text().strip()
            found = await store.collection("apikeys").find(eq("name", "bootstrap"))
            yield House(app, client, Caller(client, key, found[0]["_id"]), store)


async def two_clusters(house: House) -> House:
    """Fill a house: clusters `red` and `blue`, each with namespaces `shop` and `bank`, a backup of each namespace, and one of the whole cluster."""
    admin = house.admin
    house.made["store"] = await admin.make("objectstores", **a_store_body("lab"))
    house.made["policy"] = await admin.make("policies", name="daily", schedules=[{"retainDays": 7, "schedule": {"cronSpec": "0 1 * * *"}}])
    for color in ("red", "blue"):
        cluster = house.made[color] = await admin.make("kubeclusters", name=color)
        for name in ("shop", "bank"):
            house.made[f"{color}/{name}"] = {"_id": await house.a_namespace(cluster["_id"], name)}
            source: dict[str, Any] = {"namespaces": [name]}
            backup = house.made[f"{color}-{name}"] = await admin.make(
                "kubebackups", name=f"{color}-{name}", cluster=cluster["_id"], source=source
            )
            await admin.make("kubeoffloads", name=f"{color}-{name}", backupdef=backup["_id"])
            house.made[f"{color}-{name}-point"] = {"_id": await house.a_point(cluster["_id"], f"{color}-{name}", namespaces=[name])}
        source = {"all_namespaces": True}
        house.made[f"{color}-all"] = await admin.make("kubebackups", name=f"{color}-all", cluster=cluster["_id"], source=source)
        house.made[f"{color}-all-point"] = {"_id": await house.a_point(cluster["_id"], f"{color}-all", all_namespaces=True)}
    return house
