"""The API of people over a store in a temporary file, without sockets, and browsers that keep cookies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cloudcasa_server.identity import (
    APIKEYS,
    PEOPLE_INDEXES,
    ROLES,
    ApiKeys,
    Caches,
    ClientAddress,
    KeyQuota,
    People,
    declare_people,
    seed_roles,
    wire_people,
)
from cloudcasa_server.identity.recovery import create_admin
from cloudcasa_server.identity.served import declare as declare_identity
from cloudcasa_server.kit.rest import Change, Documents, RestApi, Services
from cloudcasa_server.kit.settings import Settings
from cloudcasa_server.kit.store.sqlite import SqliteStore
from fastapi import FastAPI

from .api import a_store, a_vault
from .clock import FakeClock

URL = "https://backup.example.org"
ADMIN = "ann@example.org"
PASSWORD = "correct horse battery staple"
OWN = {"X-Requested-With": "test"}


@dataclass
class Notes:
    """A Recorder that keeps what it is told."""

    changes: list[Change] = field(default_factory=list)

    async def record(self, change: Change, /) -> None:
        self.changes.append(change)

    def last(self) -> tuple[str, str, str]:
        change = self.changes[-1]
        return change.operation, change.principal.email, change.outcome.value


@dataclass
class PeopleBench:
    """A running API of people."""

    app: FastAPI
    people: People
    store: SqliteStore
    clock: FakeClock
    key: str
    notes: Notes
    stack: AsyncExitStack

    async def browser(self, *, address: str = "192.0.2.1", **options: Any) -> httpx.AsyncClient:
        """Return a browser with an empty cookie jar, on our own page."""
        transport = httpx.ASGITransport(app=self.app, client=(address, 1234))
        client = httpx.AsyncClient(transport=transport, base_url=f"{URL}/api/v1", **({"headers": OWN} | options))
        return await self.stack.enter_async_context(client)

    async def signed_in(self, email: str = ADMIN, password: str = PASSWORD, **options: Any) -> httpx.AsyncClient:
        """Return a browser of somebody who has signed in."""
        browser = await self.browser(**options)
        answer = await browser.post("/auth/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return browser

    async def program(self, key: str | None = None) -> httpx.AsyncClient:
        """Return a client with an API key, or with the token given."""
        return await self.browser(headers={"Authorization": f"Bearer {key or self.key}"})

    async def a_user(self, admin: httpx.AsyncClient, email: str = "bob@example.org", password: str = PASSWORD) -> dict[str, Any]:
        """Make a local user who has set a password."""
        made = await admin.post("/users", json={"name": email.partition("@")[0], "email": email})
        assert made.status_code == 201, made.text
        user: dict[str, Any] = made.json()
        answer = await (await self.browser()).post(
            "/auth/link/password", json={"token": secret_of(user["password_link"]), "password": password}
        )
        assert answer.status_code == 200, answer.text
        return user


def secret_of(link: str) -> str:
    """Return the secret in a link."""
    return link.partition("#token=")[2]


@asynccontextmanager
async def a_people_bench(directory: Path, *, clock: Any = None, **settings: Any) -> AsyncIterator[PeopleBench]:
    """Serve people from a directory; the same one again is a restart, or another replica."""
    directory.mkdir(exist_ok=True)
    store, vault, clock = a_store(directory), a_vault(), clock or FakeClock()
    options: dict[str, Any] = {"data_dir": directory, "public_url": URL, "password_memory_kib": 8, "password_passes": 1} | settings
    chosen = Settings(**options)
    keys = ApiKeys(Documents(APIKEYS, store=store, clock=clock, vault=vault), clock=clock)
    people = wire_people(chosen, store=store, vault=vault, clock=clock, keys=keys)
    services = Services(keys, Caches(keys), KeyQuota(100), *people.services)
    notes = Notes()
    rest = RestApi(store=store, vault=vault, clock=clock, authenticator=people.callers, services=services, recorder=notes)
    declare_identity(rest)
    declare_people(rest)
    app = FastAPI(openapi_url=None)
    rest.install(app)
    app.add_middleware(ClientAddress, trusted=chosen.trusted_proxies)
    await store.sync_indexes({**rest.indexes(), **PEOPLE_INDEXES})
    await seed_roles(Documents(ROLES, store=store, clock=clock, vault=vault), known=rest.permissions)
    key = await keys.bootstrap(directory) or (directory / "bootstrap-key").read_text().strip()
    await people.prepare()
    if not await people.users.collection.count():
        await create_admin(people, email=ADMIN, password=PASSWORD, name="Ann")
    async with AsyncExitStack() as stack:
        stack.callback(people.close)
        yield PeopleBench(app, people, store, clock, key, notes, stack)
    await store.close()
