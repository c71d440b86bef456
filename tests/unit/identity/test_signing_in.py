"""Signing in with a password, sessions, and what other sites and strangers try."""

from __future__ import annotations

import asyncio
import json

import pytest
from cloudcasa_server.identity import sessions
from cloudcasa_server.identity.cookies import SESSION_COOKIE
from cloudcasa_server.identity.passwords import MAX_WAITING, WORKERS
from cloudcasa_server.identity.throttle import ADDRESS, PAIR, Try
from cloudcasa_server.kit.store import ALL

from tests.support.people import ADMIN, OWN, PASSWORD, URL, a_people_bench, secret_of

RIGHT = {"email": ADMIN, "password": PASSWORD}
WRONG = {"email": ADMIN, "password": "something else entirely"}


async def test_a_login_sets_a_cookie_that_scripts_and_other_hosts_cannot_read(people):
    browser = await people.browser()
    answer = await browser.post("/auth/login", json=RIGHT)
    assert answer.status_code == 200
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == "__Host-cloudcasa-session"
    assert {part.strip() for part in rest.split(";")[1:]} == {"HttpOnly", "Max-Age=86400", "Path=/", "SameSite=lax", "Secure"}
    assert "token" not in answer.json()
    assert people.notes.last() == ("login", ADMIN, "OK")


async def test_the_session_says_who_one_is_and_what_one_may_do(people):
    admin = await people.signed_in()
    said = (await admin.get("/session")).json()
    assert said["user"]["email"] == ADMIN
    assert said["user"]["name"] == "Ann"
    assert said["org"]["name"] == "organisation"
    assert said["permissions"] == ["*.*"]
    assert said["preferences"] == {}
    assert said["session"]["method"] == "local"


async def test_an_api_key_is_told_who_it_is_and_has_no_sessions(people):
    program = await people.program()
    said = (await program.get("/session")).json()
    assert said["user"]["kind"] == "apikey"
    assert "session" not in said
    for path in ("/auth/sessions", "/users"):
        refused = await program.get(path)
        assert refused.status_code == 403
        assert "API Key access is not allowed for this resource" in refused.json()["_error"]["message"]


async def test_a_program_signs_in_for_a_token_and_gets_no_cookie(people):
    browser = await people.browser(headers={})
    answer = await browser.post("/auth/login", json=RIGHT | {"token": True})
    assert "set-cookie" not in answer.headers
    program = await people.program(answer.json()["token"])
    assert (await program.get("/session")).json()["user"]["email"] == ADMIN
    assert (await program.patch("/session/preferences", json={"preferences": {"a": 1}})).status_code == 200


async def test_the_token_is_nowhere_but_in_the_cookie(people):
    browser = await people.signed_in()
    token = browser.cookies[SESSION_COOKIE]
    stored = json.dumps([await people.store.collection(name).find(ALL) for name in ("sessions", "users", "userorgs", "throttles")])
    assert token not in stored
    assert PASSWORD not in stored
    assert "argon2" not in (await browser.get("/users")).text


@pytest.mark.parametrize(
    "body",
    [
        WRONG,
        {"email": "nobody@example.org", "password": PASSWORD},
        {"email": "not an address", "password": PASSWORD},
        RIGHT | {"password": ""},
    ],
)
async def test_every_failure_reads_the_same(people, body):
    answer = await (await people.browser()).post("/auth/login", json=body)
    assert answer.status_code == 401
    assert answer.json()["_error"]["message"] == "The e-mail address or the password is wrong."
    assert people.notes.last()[2] == "REFUSED"


async def test_an_unknown_user_costs_the_same_hash(people, monkeypatch):
    verified = []
    passwords = people.people.accounts.passwords
    monkeypatch.setattr(passwords, "_verify", lambda hashed, password: verified.append(hashed.rsplit("$", 2)[0]) or False)
    browser = await people.browser()
    for email in (ADMIN, "nobody@example.org"):
        await browser.post("/auth/login", json={"email": email, "password": PASSWORD})
    assert verified[0] == verified[1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": ADMIN}, "password"),
        ({"email": ADMIN, "password": 7}, "password"),
        ({"email": ["a"], "password": PASSWORD}, "email"),
        (RIGHT | {"isAdmin": True}, "isAdmin"),
        ({"email": "x" * 1001, "password": PASSWORD}, "email"),
    ],
)
async def test_a_malformed_login_is_422_and_names_the_field(people, body, field):
    answer = await (await people.browser()).post("/auth/login", json=body)
    assert answer.status_code == 422
    assert list(answer.json()["_issues"]) == [field]
    assert PASSWORD not in answer.text


async def test_a_huge_password_is_refused_without_hashing_it(people):
    answer = await (await people.browser()).post("/auth/login", json=RIGHT | {"password": "x" * 900_000})
    assert answer.status_code == 401
    assert (await (await people.browser()).post("/auth/login", json=RIGHT | {"password": "x" * 2_000_000})).status_code == 413


async def test_an_email_is_found_in_any_case(people):
    await people.signed_in("ANN@Example.ORG")


async def test_a_login_never_takes_the_session_that_was_shown(people):
    planted = (await people.signed_in()).cookies[SESSION_COOKIE]
    victim = await people.browser()
    victim.cookies.set(SESSION_COOKIE, planted, domain="backup.example.org")
    await victim.post("/auth/login", json=RIGHT)
    old = await people.program(planted)
    assert (await old.get("/session")).status_code == 401
    invented = await people.browser(cookies={SESSION_COOKIE: "ccsession_" + "a" * 43})
    answer = await invented.post("/auth/login", json=RIGHT)
    assert "ccsession_" + "a" * 43 not in answer.headers["set-cookie"]


async def test_logging_out_ends_the_session_in_every_window(people):
    browser = await people.signed_in()
    token = browser.cookies[SESSION_COOKIE]
    answer = await browser.post("/auth/logout")
    assert answer.status_code == 200
    assert SESSION_COOKIE not in browser.cookies
    assert (await (await people.program(token)).get("/session")).status_code == 401
    assert (await browser.post("/auth/logout")).status_code == 200


async def test_an_idle_session_ends_and_a_busy_one_lives_until_its_day_is_over(people):
    idle, busy = await people.signed_in(), await people.signed_in()
    for _ in range(9):
        people.clock.tick(9_000)
        assert (await busy.get("/session")).status_code == 200
    assert (await idle.get("/session")).status_code == 401
    people.clock.tick(6_000)
    answer = await busy.get("/session")
    assert answer.status_code == 401
    assert "Sign in again" in answer.json()["_error"]["message"]


async def test_sessions_that_are_over_are_dropped(people):
    await people.signed_in()
    people.clock.tick(28_800)
    await people.people.tidy()
    assert await people.store.collection(sessions.COLLECTION).count(ALL) == 0


async def test_one_sees_and_ends_ones_own_sessions_only(people):
    admin, other = await people.signed_in(), await people.signed_in()
    await people.a_user(admin)
    bob = await people.signed_in("bob@example.org")
    mine = (await admin.get("/auth/sessions")).json()["_items"]
    assert [one["is_current"] for one in mine].count(True) == 1
    foreign = next(one["_id"] for one in (await bob.get("/auth/sessions")).json()["_items"] if one["is_current"])
    assert (await admin.delete(f"/auth/sessions/{foreign}")).status_code == 404
    theirs = next(one["_id"] for one in mine if not one["is_current"])
    assert (await admin.delete(f"/auth/sessions/{theirs}")).status_code == 204
    assert (await other.get("/session")).status_code == 401
    assert (await bob.get("/session")).status_code == 200
    assert "token" not in json.dumps(mine)


async def test_nobody_keeps_more_sessions_than_fifty(people, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_OF_ONE_USER", 3)
    browsers = []
    for _ in range(4):
        browsers.append(await people.signed_in())
        people.clock.tick(1)
    assert [(await browser.get("/session")).status_code for browser in browsers] == [401, 200, 200, 200]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        (OWN, 200),
        (OWN | {"Origin": URL}, 200),
        (OWN | {"Origin": URL, "Sec-Fetch-Site": "same-origin"}, 200),
        (OWN | {"Origin": "https://evil.example"}, 403),
        (OWN | {"Origin": "null"}, 403),
        (OWN | {"Origin": "https://backup.example.org.evil.example"}, 403),
        (OWN | {"Origin": "https://backup.example.org:8443"}, 403),
        (OWN | {"Sec-Fetch-Site": "cross-site"}, 403),
        (OWN | {"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": URL, "Sec-Fetch-Site": "same-origin"}, 403),
        (OWN | {"Origin": "https://[broken"}, 403),
    ],
)
async def test_a_change_by_cookie_must_come_from_our_own_page(people, headers, status):
    token = (await people.signed_in()).cookies[SESSION_COOKIE]
    browser = await people.browser(headers={"Cookie": f"{SESSION_COOKIE}={token}", **headers})
    answer = await browser.patch("/session/preferences", json={"preferences": {}})
    assert answer.status_code == status
    assert (await browser.get("/session")).status_code == 200


async def test_a_change_that_may_come_from_another_site_is_recorded_as_refused(people):
    ann = await people.signed_in()
    await ann.patch("/session/preferences", json={"preferences": {}}, headers={"Origin": "https://evil.example"})
    assert people.notes.last() == ("authenticate", "", "REFUSED")
    assert "another site" in people.notes.changes[-1].message


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}])
async def test_another_site_cannot_sign_its_own_user_into_a_browser(people, headers):
    answer = await (await people.browser(headers=headers)).post("/auth/login", json=RIGHT)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "token", ["ccsession_", "ccsession_" + "é" * 43, "ccsession_" + "a" * 10_000, "ccsession_' OR 1=1", "ccsession_\udcff"]
)
async def test_a_made_up_token_is_401(people, token):
    raw = token.encode("utf-8", "surrogateescape")
    for headers in ([(b"authorization", b"Bearer " + raw)], [(b"cookie", SESSION_COOKIE.encode() + b"=" + raw)]):
        answer = await (await people.browser(headers=headers)).get("/session")
        assert answer.status_code == 401


async def test_guessing_is_slowed_down_and_the_answer_says_for_how_long(people):
    browser = await people.browser(address="198.51.100.7")
    answers = [await browser.post("/auth/login", json=WRONG) for _ in range(PAIR.free + 1)]
    assert [answer.status_code for answer in answers] == [401] * PAIR.free + [429]
    assert answers[-1].headers["Retry-After"] == "1"
    assert "Try again in 1 second." in answers[-1].json()["_error"]["message"]
    assert [(one.operation, one.name) for one in people.notes.changes[-2:]] == [("login", ADMIN), ("login", "")]
    await people.signed_in(address="192.0.2.200")


async def test_a_name_that_does_not_exist_is_slowed_down_alike(people):
    browser = await people.browser(address="198.51.100.7")
    body = {"email": "nobody@example.org", "password": PASSWORD}
    answers = [(await browser.post("/auth/login", json=body)).status_code for _ in range(PAIR.free + 1)]
    assert answers == [401] * PAIR.free + [429]


async def test_names_that_are_made_up_are_recorded_only_while_they_are_tried(people):
    browser = await people.browser(address="198.51.100.7")
    for number in range(ADDRESS.free + 5):
        await browser.post("/auth/login", json={"email": f"x{number}@example.org", "password": PASSWORD})
    tried = [one for one in people.notes.changes if one.operation == "login"]
    assert {(one.name, one.principal.kind) for one in tried[ADDRESS.free + 1 :]} == {("", "anonymous")}
    assert len({one.name for one in tried[: ADDRESS.free]}) == ADDRESS.free


async def test_names_are_not_recorded_where_passwords_are_switched_off(tmp_path):
    provider = {"id": "corp", "name": "Corp", "issuer": "https://id.example.org", "client_id": "c"}
    async with a_people_bench(tmp_path, local_login=False, oidc_providers=[provider]) as people:
        await (await people.browser()).post("/auth/login", json=WRONG)
        assert (people.notes.changes[-1].name, *people.notes.last()) == ("", "login", "", "REFUSED")


async def test_a_stranger_cannot_choose_an_address_by_a_header(people):
    for number in range(PAIR.free + 1):
        browser = await people.browser(address="198.51.100.7", headers={"X-Forwarded-For": f"192.0.2.{number}"})
        answer = await browser.post("/auth/login", json=WRONG)
    assert answer.status_code == 429


async def test_logins_at_the_same_moment_are_told_to_wait_rather_than_stall(people, monkeypatch):
    async def admitted(self, *, account, address):
        return Try(account, address, is_known=True)

    monkeypatch.setattr(type(people.people.accounts.throttle), "admit", admitted)
    browser = await people.browser()
    count = WORKERS + MAX_WAITING + 20
    answers = await asyncio.gather(*(browser.post("/auth/login", json=WRONG) for _ in range(count)))
    codes = {answer.status_code for answer in answers}
    assert codes <= {401, 503}
    assert (await browser.post("/auth/login", json=RIGHT)).status_code == 200


async def test_changing_the_password_ends_every_other_session(people):
    here, there = await people.signed_in(), await people.signed_in()
    new = "a wholly different phrase"
    answer = await here.post("/auth/password", json={"old_password": PASSWORD, "new_password": new})
    assert answer.status_code == 200
    assert (await here.get("/session")).status_code == 200
    assert (await there.get("/session")).status_code == 401
    assert (await (await people.browser()).post("/auth/login", json=RIGHT)).status_code == 401
    await people.signed_in(password=new)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"old_password": "not the old one at all", "new_password": "a wholly different phrase"}, 401),
        ({"old_password": PASSWORD, "new_password": "short"}, 422),
        ({"old_password": PASSWORD, "new_password": "x" * 1025}, 422),
        ({"new_password": "a wholly different phrase"}, 422),
    ],
)
async def test_a_password_change_that_is_refused_changes_nothing(people, body, status):
    browser = await people.signed_in()
    assert (await browser.post("/auth/password", json=body)).status_code == status
    assert (await browser.get("/session")).status_code == 200
    await people.signed_in()


async def test_of_two_password_changes_at_once_one_wins(people):
    one, two = await people.signed_in(), await people.signed_in()
    answers = await asyncio.gather(
        one.post("/auth/password", json={"old_password": PASSWORD, "new_password": "the first new phrase"}),
        two.post("/auth/password", json={"old_password": PASSWORD, "new_password": "the second new phrase"}),
    )
    assert [answer.status_code for answer in answers].count(200) == 1


async def test_a_hash_of_old_parameters_is_made_anew_at_the_next_login(tmp_path):
    async with a_people_bench(tmp_path) as bench:
        await bench.signed_in()
    async with a_people_bench(tmp_path, password_memory_kib=16) as bench:
        await bench.signed_in()
        (user,) = await bench.people.users.collection.find(ALL)
        assert "m=16,t=1,p=1" in user["credential"]["hash"]
        await bench.signed_in()


async def test_passwords_can_be_switched_off(tmp_path):
    provider = {"id": "corp", "name": "Corp", "issuer": "https://id.example.org", "client_id": "c"}
    async with a_people_bench(tmp_path, local_login=False, oidc_providers=[provider]) as bench:
        browser = await bench.browser()
        assert (await browser.post("/auth/login", json=RIGHT)).status_code == 403
        assert "local" not in [way["id"] for way in (await browser.get("/auth/providers")).json()["_items"]]


async def test_preferences_are_merged_and_small(people):
    browser = await people.signed_in()
    await browser.patch("/session/preferences", json={"preferences": {"theme": "dark", "lists": {"jobs": {"size": 50}}}})
    merged = await browser.patch("/session/preferences", json={"preferences": {"theme": None, "lists": {"jobs": {"sort": "name"}}}})
    assert merged.json()["preferences"] == {"lists": {"jobs": {"size": 50, "sort": "name"}}}
    assert (await browser.get("/session")).json()["preferences"] == merged.json()["preferences"]
    huge = await browser.patch("/session/preferences", json={"preferences": {"x": "y" * 20_000}})
    assert huge.status_code == 422
    answers = await asyncio.gather(*(browser.patch("/session/preferences", json={"preferences": {f"k{n}": n}}) for n in range(4)))
    kept = (await browser.get("/session")).json()["preferences"]
    assert all(kept[f"k{n}"] == n for n, answer in enumerate(answers) if answer.status_code == 200)


async def test_a_link_sets_a_password_once(people):
    admin = await people.signed_in()
    user = await people.a_user(admin)
    bob = await people.signed_in("bob@example.org")
    made = await admin.post(f"/users/{user['_id']}/action/password-link")
    assert made.status_code == 200, made.text
    link = made.json()["password_link"]
    assert link.startswith(f"{URL}/login/password#token=")
    stranger = await people.browser()
    shown = (await stranger.post("/auth/link", json={"token": secret_of(link)})).json()
    assert shown["user"] == {"name": "bob", "email": "bob@example.org"}
    body = {"token": secret_of(link), "password": "quite another phrase"}
    answers = await asyncio.gather(*(stranger.post("/auth/link/password", json=body) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    assert (await bob.get("/session")).status_code == 401
    await people.signed_in("bob@example.org", "quite another phrase")
    assert (await stranger.post("/auth/link", json={"token": secret_of(link)})).status_code == 401


async def test_a_link_ends_with_its_day(people):
    admin = await people.signed_in()
    made = (await admin.post("/users", json={"name": "bob", "email": "bob@example.org"})).json()
    people.clock.tick(86_400)
    body = {"token": secret_of(made["password_link"]), "password": PASSWORD}
    assert (await (await people.browser()).post("/auth/link/password", json=body)).status_code == 401


async def test_the_newest_link_is_the_one_that_counts(people):
    admin = await people.signed_in()
    made = (await admin.post("/users", json={"name": "bob", "email": "bob@example.org"})).json()
    again = (await admin.post(f"/users/{made['_id']}/action/password-link")).json()
    browser = await people.browser()
    assert (await browser.post("/auth/link", json={"token": secret_of(made["password_link"])})).status_code == 401
    assert (await browser.post("/auth/link", json={"token": secret_of(again["password_link"])})).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "a" * 300, "\u00e9"])
async def test_a_made_up_link_is_401(people, token):
    browser = await people.browser()
    for path in ("/auth/link", "/auth/invitation", "/auth/invitation/decline"):
        assert (await browser.post(path, json={"token": token})).status_code == 401


async def test_a_link_sets_no_password_where_passwords_are_switched_off(tmp_path):
    provider = {"id": "corp", "name": "Corp", "issuer": "https://id.example.org", "client_id": "c"}
    async with a_people_bench(tmp_path) as bench:
        admin = await bench.signed_in()
        made = (await admin.post("/users", json={"name": "bob", "email": "bob@example.org"})).json()
    async with a_people_bench(tmp_path, local_login=False, oidc_providers=[provider]) as bench:
        body = {"token": secret_of(made["password_link"]), "password": PASSWORD}
        assert (await (await bench.browser()).post("/auth/link/password", json=body)).status_code == 403


async def test_who_changes_a_password_by_token_gets_a_token(people):
    browser = await people.browser(headers={})
    token = (await browser.post("/auth/login", json=RIGHT | {"token": True})).json()["token"]
    program = await people.program(token)
    changed = await program.post("/auth/password", json={"old_password": PASSWORD, "new_password": "a wholly different phrase"})
    assert "set-cookie" not in changed.headers
    assert (await program.get("/session")).status_code == 401
    assert (await (await people.program(changed.json()["token"])).get("/session")).status_code == 200
