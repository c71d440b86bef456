"""An API of toy resources over a store in a temporary file, without sockets: for the tests of kit/rest."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cloudcasa_server.kit.clock import Clock
from cloudcasa_server.kit.crypto import Vault
from cloudcasa_server.kit.rest import EVERYTHING, Documents, Grant, Principal, RestApi
from cloudcasa_server.kit.store import Store
from cloudcasa_server.kit.store.sqlite import SqliteStore
from fastapi import FastAPI
from starlette.requests import Request

from .clock import FakeClock


def an_admin() -> Principal:
    """Return a caller who may do everything."""
    return Principal(id="0" * 24, email="ann@example.org", grants=(Grant(frozenset({EVERYTHING})),))


def a_reader() -> Principal:
    """Return a caller who may read everything."""
    return Principal(id="1" * 24, email="eve@example.org", grants=(Grant(frozenset({"*.read"})),))


@dataclass
class AnyoneIs:
    """An Authenticator for whom everyone is the same principal."""

    principal: Principal = field(default_factory=an_admin)

    async def authenticate(self, request: Request, /) -> Principal:
        return self.principal


@dataclass
class ApiBench:
    """A running API and what a test needs to look behind it."""

    rest: RestApi
    app: FastAPI
    client: httpx.AsyncClient
    store: Store
    clock: FakeClock
    authenticator: AnyoneIs

    def documents(self, name: str) -> Documents:
        return Documents(self.rest.resources[name], store=self.store, clock=self.clock, vault=self.rest.vault)

    def again(self) -> httpx.AsyncClient:
        """Return another client, for a loop or a time in which the first one is closed."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="https://test")

    async def post(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.client.post(f"/api/v1/{name}", json=body)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document


def a_vault() -> Vault:
    """Return a vault with a fresh key."""
    return Vault({"k1": secrets.token_bytes(32)})


def a_store(directory: Path) -> SqliteStore:
    """Return a store that does not wait for the disk."""
    return SqliteStore(directory / "test.db", synchronous="OFF")


def a_rest(store: Store, clock: Clock) -> RestApi:
    """Return an API without resources, where everyone is an admin."""
    return RestApi(store=store, vault=a_vault(), clock=clock, authenticator=AnyoneIs())


@asynccontextmanager
async def serving(rest: RestApi, store: Store, clock: FakeClock) -> AsyncIterator[ApiBench]:
    """Install the API into an application and give a client of it."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    rest.install(app)
    await store.sync_indexes(rest.indexes())
    transport = httpx.ASGITransport(app=app)
    authenticator = rest.authenticator
    assert isinstance(authenticator, AnyoneIs)
    async with httpx.AsyncClient(transport=transport, base_url="https://test") as client:
        yield ApiBench(rest, app, client, store, clock, authenticator)
