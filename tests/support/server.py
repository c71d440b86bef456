"""A server in the test's own event loop: real uvicorn on the loopback address, a real SQLite file, a fake of the storage probe."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import uvicorn
from cloudcasa_contract.frames import MAX_FRAME_BYTES
from cloudcasa_server.app import create_app
from cloudcasa_server.kit.http import GuardedProtocol
from cloudcasa_server.kit.rest import Documents
from cloudcasa_server.kit.settings import Settings
from cloudcasa_server.kit.store import ALL
from cloudcasa_server.kit.store.opening import FILE_NAME
from cloudcasa_server.kit.store.sqlite import SqliteStore
from cloudcasa_server.object_store.probe import Probe, ProbeError, Target
from fastapi import FastAPI

from tests.support.scripted_agent import ScriptedAgent, answer, bootstrap_credential, eventually

MADE_BY_TESTS = (
    *("objectstores", "policies", "kubeclusters", "kubebackups", "kubeoffloads", "kuberestores", "backupinstances", "jobs"),
    *("joblogs", "commands", "kubenamespaces", "kubepvclaims", "kubestorageclasses"),
)


@dataclass
class FakeProbe:
    """Says yes, or what it was told to say."""

    error: ProbeError | None = None
    targets: list[Target] = field(default_factory=list)

    async def __call__(self, target: Target, /) -> None:
        self.targets.append(target)
        if self.error:
            raise self.error


@dataclass
class Running:
    """A server that runs, and a client with its first API key."""

    url: str
    app: FastAPI
    api: httpx.AsyncClient
    probe: FakeProbe

    @property
    def parts(self) -> Any:
        return self.app.state.parts

    def documents(self, name: str) -> Documents:
        """Return the documents of a resource, behind the API's back."""
        parts = self.parts
        return Documents(self.app.state.rest.resources[name], store=parts.store, clock=parts.clock, vault=parts.vault)

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.api.post(f"/api/v1/{path}", json=body)

    async def get(self, path: str, **query: Any) -> Any:
        response = await self.api.get(f"/api/v1/{path}", params=query)
        assert response.status_code == 200, response.text
        return response.json()

    async def make(self, path: str, **body: Any) -> dict[str, Any]:
        response = await self.post(path, **body)
        assert response.status_code == 201, response.text
        document: dict[str, Any] = response.json()
        return document

    async def act(self, path: str, **body: Any) -> dict[str, Any]:
        response = await self.post(path, **body)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    async def a_cluster(self, name: str = "prod-eu", **fields: Any) -> dict[str, Any]:
        return await self.make("kubeclusters", name=name, **fields)

    async def a_store(self, name: str = "lab", **fields: Any) -> dict[str, Any]:
        return await self.make("objectstores", **(a_store_body(name) | fields))

    async def a_backup(self, cluster: str, name: str = "web", **fields: Any) -> dict[str, Any]:
        return await self.make("kubebackups", **({"name": name, "cluster": cluster, "source": {"namespaces": ["web"]}} | fields))

    async def an_agent(self, cluster: dict[str, Any], **script: Any) -> ScriptedAgent:
        path = cluster["status"]["agentURL"].partition("/kubeclusteragents/")[2]
        manifest = await self.api.get(f"/kubeclusteragents/{path}")
        assert manifest.status_code == 200, manifest.text
        return ScriptedAgent(self.url, cluster["_id"], bootstrap_credential(manifest.text), **({"answers": answer} | script))

    async def state(self, cluster_id: str, state: str, *, seconds: float = 20.0) -> dict[str, Any]:
        async def look() -> Any:
            found = await self.get(f"kubeclusters/{cluster_id}")
            return found if found["status"]["state"] == state else None

        found: dict[str, Any] = await eventually(look, seconds=seconds)
        return found

    async def empty(self) -> None:
        """Take away what a test made, so that the next one may share the server."""
        for name in MADE_BY_TESTS:
            await self.parts.store.collection(name).delete_many(ALL)
        self.probe.error = None
        self.probe.targets.clear()

    async def job(self, *, seconds: float = 20.0, **where: Any) -> dict[str, Any]:
        """Return the newest job that matches, when it has ended."""

        async def look() -> Any:
            items = (await self.get("jobs", sort="-start_time", where=httpx_json(where)))["_items"]
            return items[0] if items and "end_time" in items[0] and await self._is_told(items[0]) else None

        found: dict[str, Any] = await eventually(look, seconds=seconds)
        return found

    async def _is_told(self, job: dict[str, Any]) -> bool:
        """Tell whether the definitions of an ended job show its end: they are told just after it."""
        for path, collection in (("backupdef", "kubebackups"), ("offloaddef", "kubeoffloads"), ("restoredef", "kuberestores")):
            if path not in job:
                continue
            answer = await self.api.get(f"/api/v1/{collection}/{job[path]}")
            runs = (answer.json().get("status") or {}).get("jobs") or ()
            if any(run["jobid"] == job["_id"] and run["state"] != job["state"] for run in runs):
                return False
        return True


def httpx_json(value: Any) -> str:
    import json

    return json.dumps(value)


def a_store_body(name: str = "lab") -> dict[str, Any]:
    return {
        "name": name,
        "private": False,
        "provider_type": "aws",
        "bucket_name": f"{name}-backups",
        "region": "us-east-1",
        "s3provider": {"endpoint": "https://s3.example:9000", "credentials": {"access_key": "AK", "secret_key": "s3cr3t"}},
    }


def a_listener() -> socket.socket:
    """Return a listening socket that says it is TCP: asyncio sends without delay on such ones only, and each answer would wait 40 ms."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def a_database(url: str) -> str:
    """Return the URL with a database of this test's own."""
    head, _, query = url.partition("?")
    scheme, _, rest = head.partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}://{host}/cloudcasa_{token_hex(4)}" + (f"?{query}" if query else "")


@asynccontextmanager
async def a_server(
    data_dir: Path, *, probe: Probe | None = None, http: type[GuardedProtocol] = GuardedProtocol, **settings: Any
) -> AsyncIterator[Running]:
    """Serve from a directory; the same directory again is a restart. The database does not wait for the disk: no test cuts the power."""
    fake = FakeProbe()
    listener = a_listener()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    store = None if "database_url" in settings else SqliteStore(data_dir / FILE_NAME, synchronous="OFF")
    options: dict[str, Any] = {"tls": False, "public_url": url, "password_memory_kib": 8, "password_passes": 1} | settings
    app = create_app(Settings(data_dir=data_dir, **options), probe=probe or fake, store=store)
    config = uvicorn.Config(
        app,
        http=http,
        ws_max_size=MAX_FRAME_BYTES,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="websockets-sansio",
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        assert not task.done()
        await asyncio.sleep(0.005)
    key = (data_dir / "bootstrap-key").read_text().strip()
    try:
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20, trust_env=False, verify=False) as api:
            yield Running(url, app, api, fake)
    finally:
        app.state.parts.gateway.close_all()
        server.should_exit = True
        await task
        listener.close()
