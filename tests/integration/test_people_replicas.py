"""Two servers on one database: what one knows of people, the other knows at once."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from cloudcasa_server.identity.recovery import create_admin
from cloudcasa_server.identity.throttle import PAIR
from cloudcasa_server.kit.store import ALL

from tests.support.people import ADMIN, PASSWORD, secret_of
from tests.support.server import Running, a_database, a_server

RIGHT = {"email": ADMIN, "password": PASSWORD, "token": True}


@pytest.fixture(params=["sqlite", "mongo"])
async def pair(request, tmp_path):
    database = {"database_url": a_database(request.getfixturevalue("mongo_url"))} if request.param == "mongo" else {}
    async with a_server(tmp_path, **database) as one, a_server(tmp_path, **database) as two:
        await create_admin(one.parts.people, email=ADMIN, password=PASSWORD)
        yield one, two


async def token_of(server: Running, **body: object) -> str:
    answer = await server.api.post("/api/v1/auth/login", json=RIGHT | body)
    assert answer.status_code == 200, answer.text
    return answer.json()["token"]


async def call(server: Running, method: str, path: str, token: str, **options: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
    return await server.api.request(method, f"/api/v1/{path}", headers=headers, **options)


async def test_a_session_of_one_is_known_to_the_other_until_it_ends(pair):
    one, two = pair
    token = await token_of(one)
    assert (await call(two, "GET", "session", token)).status_code == 200
    assert (await call(one, "POST", "auth/logout", token)).status_code == 200
    assert (await call(two, "GET", "session", token)).status_code == 401


async def test_a_user_who_is_disabled_by_one_is_out_of_the_other_at_once(pair):
    one, two = pair
    admin = await token_of(one)
    made = (await call(one, "POST", "users", admin, json={"name": "bob", "email": "bob@example.org"})).json()
    body = {"token": secret_of(made["password_link"]), "password": PASSWORD}
    assert (await two.api.post("/api/v1/auth/link/password", json=body)).status_code == 200
    bob = await token_of(two, email="bob@example.org")
    etag = (await call(one, "GET", f"users/{made['_id']}", admin)).json()["_etag"]
    changed = await call(one, "PATCH", f"users/{made['_id']}", admin, json={"disabled": True}, headers={"If-Match": etag})
    assert changed.status_code == 200, changed.text
    assert (await call(two, "GET", "session", bob)).status_code == 401


async def test_both_count_the_same_failures(pair):
    wrong = RIGHT | {"password": "something else entirely"}
    answers = [await server.api.post("/api/v1/auth/login", json=wrong) for server in pair for _ in range(PAIR.free)]
    assert [answer.status_code for answer in answers] == [401] * PAIR.free + [429] * PAIR.free


async def test_one_invitation_accepted_at_both_makes_one_user(pair):
    one, two = pair
    made = await one.make("orginvites", email="carl@example.org", first_name="Carl", last_name="Example")
    body = {"token": secret_of(made["invitation_link"]), "password": PASSWORD}
    answers = await asyncio.gather(
        *(server.api.post("/api/v1/auth/invitation/accept", json=body) for server in (one, two) for _ in range(3))
    )
    assert [answer.status_code for answer in answers].count(200) == 1
    assert await one.parts.people.users.collection.count(ALL) == 2


async def test_starting_at_once_makes_one_organisation(tmp_path):
    async with a_server(tmp_path):
        pass
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(orgs_of(tmp_path)) for _ in range(2)]
    assert [task.result() for task in started] == [1, 1]


async def orgs_of(directory) -> int:
    async with a_server(directory) as server:
        return (await server.get("orgs"))["_meta"]["total"]


async def test_the_record_names_people_and_holds_no_secret(pair):
    one, _ = pair
    admin = await token_of(one)
    await one.api.post("/api/v1/auth/login", json=RIGHT | {"password": "something else entirely"})
    made = (await call(one, "POST", "users", admin, json={"name": "bob", "email": "bob@example.org"})).json()
    link = secret_of(made["password_link"])
    assert (await one.api.post("/api/v1/auth/link/password", json={"token": link, "password": PASSWORD})).status_code == 200
    await call(one, "POST", "auth/password", admin, json={"old_password": PASSWORD, "new_password": "a wholly different phrase"})
    listed = await one.api.get("/api/v1/auditlogs", params={"sort": "-_id", "max_results": 100})
    told = {(entry["operation"], entry["user"], entry["outcome"]) for entry in listed.json()["_items"]}
    assert {
        ("login", ADMIN, "OK"),
        ("login", ADMIN, "REFUSED"),
        ("create", ADMIN, "OK"),
        ("set-password", "bob@example.org", "OK"),
        ("change-password", ADMIN, "OK"),
    } <= told
    assert not any(secret in listed.text for secret in (PASSWORD, link, admin, "argon2", "a wholly different phrase"))
