"""Signing in with a real OpenID provider: the whole way in HTTP, and what goes wrong on it."""

from __future__ import annotations

import asyncio
import ssl
import sys
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cloudcasa_server.identity.oidc.provider import AWAY_SECONDS, CACHE_SECONDS, FRESH_SECONDS
from cloudcasa_server.kit.clock import SystemClock
from cloudcasa_server.kit.store import ALL, eq
from cloudcasa_server.kit.tls import ensure_certificate

from lab.build import ensure
from tests.support.openid import OpenIdServer, Person, a_key, a_person
from tests.support.people import ADMIN, PASSWORD, URL, a_people_bench, secret_of

EVE = {"email": "eve@example.org", "email_verified": True, "given_name": "Eve", "family_name": "Example", "groups": ["backup", "all"]}
MAX = {"email": "Max@example.org", "email_verified": True, "groups": ["admins"]}
UNA = {"email": "una@example.org", "email_verified": False, "groups": ["backup"]}


@pytest.fixture(scope="session")
def openid_program():
    """The provider's program, built once."""
    return ensure(["oidc"], report=lambda line: print(line, file=sys.stderr, flush=True))["oidc"]


@pytest.fixture(scope="session")
def shared_provider(openid_program):
    """One process for all tests, which restart it when they change it."""
    server = OpenIdServer(openid_program)
    yield server
    server.stop()


@pytest.fixture
def corp(shared_provider):
    shared_provider.accounts = {"eve": EVE, "max": MAX, "una": UNA, "nemo": {}}
    shared_provider.keys = shared_provider.keys[-1:]
    shared_provider.again()
    return shared_provider


@pytest.fixture
async def people(corp, tmp_path):
    lists = {"auth_allowed_user_groups": ["backup"], "auth_siteadmin_user_groups": ["corp:admins"]}
    async with a_people_bench(tmp_path, clock=SystemClockThatMoves(), oidc_providers=[corp.settings()], **lists) as bench:
        yield bench


class SystemClockThatMoves(SystemClock):
    """The machine's clock, which a test can put forward."""

    ahead = 0

    def timestamp(self) -> int:
        return super().timestamp() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead

    def tick(self, seconds: float) -> None:
        self.ahead += int(seconds)


def sentence(answer) -> str:
    return answer.json()["_error"]["message"]


def with_parameters(url: str, **changes: str | None) -> str:
    """Return the address with parameters changed, or without those that are None."""
    parts = urlsplit(url)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()} | changes
    return parts._replace(query=urlencode({key: value for key, value in query.items() if value is not None})).geturl()


async def test_somebody_of_an_allowed_group_comes_in_and_goes_on(people):
    eve = await a_person(people)
    assert (await eve.ours.get("/auth/providers")).json()["_items"][1] == {
        "id": "corp",
        "name": "Corp",
        "type": "oidc",
        "start": "/api/v1/auth/corp/start",
    }
    answer = await eve.sign_in("eve", "/auth/corp/start?next=/clusters/overview%3Fnew%3Dtrue")
    assert (answer.status_code, answer.headers["location"]) == (303, "/clusters/overview?new=true")
    said = (await eve.ours.get("/session")).json()
    assert (said["user"]["email"], said["user"]["name"], said["user"]["provider"]) == ("eve@example.org", "Eve Example", "corp")
    assert said["session"]["method"] == "corp"
    assert [(one.operation, one.resource) for one in people.notes.changes] == [("create", "users"), ("login", "users")]
    assert people.notes.last() == ("login", "eve@example.org", "OK")
    again = await a_person(people)
    await again.sign_in("eve")
    assert (await again.ours.get("/session")).json()["user"]["_id"] == said["user"]["_id"]


async def test_the_way_there_has_state_nonce_and_a_challenge_and_no_secret(people, corp):
    url = await (await a_person(people)).leave()
    query = parse_qs(urlsplit(url).query)
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["state"][0]) >= 43
    assert len(query["nonce"][0]) >= 43
    assert query["response_type"] == ["code"]
    assert query["redirect_uri"] == [f"{URL}/api/v1/auth/corp/callback"]
    assert "secret" not in url


async def test_groups_bring_roles_and_take_them_away(people, corp):
    someone = await a_person(people)
    await someone.sign_in("max")
    assert "*.*" in (await someone.ours.get("/session")).json()["permissions"]
    corp.accounts["max"] = MAX | {"groups": ["backup"]}
    corp.again()
    someone = await a_person(people)
    await someone.sign_in("max")
    assert "*.*" not in (await someone.ours.get("/session")).json()["permissions"]


async def test_a_group_of_another_provider_brings_nothing(people, corp, tmp_path):
    lists = {"auth_allowed_user_groups": ["backup"], "auth_siteadmin_user_groups": ["other:admins"]}
    async with a_people_bench(tmp_path / "b", clock=SystemClockThatMoves(), oidc_providers=[corp.settings()], **lists) as bench:
        answer = await (await a_person(bench)).sign_in("max")
        assert answer.status_code == 403


async def test_who_is_not_on_the_list_is_told_so_and_not_made(people, corp):
    corp.accounts["eve"] = EVE | {"groups": ["all"]}
    corp.again()
    eve = await a_person(people)
    answer = await eve.sign_in("eve")
    assert answer.status_code == 403
    assert 'knows you as "eve@example.org"' in sentence(answer)
    assert (await eve.ours.get("/session")).status_code == 401
    assert await people.people.users.collection.count(eq("email_key", "eve@example.org")) == 0
    assert people.notes.last() == ("login", "eve@example.org", "REFUSED")


async def test_who_leaves_the_list_is_out(people, corp):
    await (await a_person(people)).sign_in("eve")
    corp.accounts["eve"] = EVE | {"groups": []}
    corp.again()
    assert (await (await a_person(people)).sign_in("eve")).status_code == 403


async def test_an_address_that_is_not_verified_lets_nobody_in(people):
    answer = await (await a_person(people)).sign_in("una")
    assert answer.status_code == 403
    assert "does not say that this address is verified" in sentence(answer)


async def test_somebody_without_an_address_is_told_so(people):
    answer = await (await a_person(people)).sign_in("nemo")
    assert answer.status_code == 403
    assert "without an e-mail address" in sentence(answer)


async def test_a_provider_is_no_way_into_a_local_user(people, corp):
    corp.accounts["ann"] = {"email": ADMIN.upper(), "email_verified": True, "groups": ["admins"]}
    corp.again()
    someone = await a_person(people)
    answer = await someone.sign_in("ann")
    assert answer.status_code == 409
    assert "the two never mix" in sentence(answer)
    assert (await someone.ours.get("/session")).status_code == 401
    await people.signed_in()


async def an_invitation(people, email: str) -> dict:
    program = await people.program()
    answer = await program.post("/orginvites", json={"email": email, "first_name": "A", "last_name": "B"})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_verified_address_that_is_invited_comes_in(people, corp):
    corp.accounts["kim"] = {"email": "KIM@example.org", "email_verified": True}
    corp.again()
    made = await an_invitation(people, "kim@example.org")
    kim = await a_person(people)
    assert (await kim.sign_in("kim")).status_code == 303
    assert (await (await people.program()).get(f"/orginvites/{made['_id']}")).json()["state"] == "ACCEPTED"
    corp.accounts["kim2"] = corp.accounts["kim"]
    corp.again()
    assert (await (await a_person(people)).sign_in("kim2")).status_code in {403, 409}


async def test_a_link_binds_the_account_of_the_same_address_only(people, corp):
    made = await an_invitation(people, "una@example.org")
    body = {"token": secret_of(made["invitation_link"]), "provider": "corp"}
    eve = await a_person(people)
    there = (await eve.ours.post("/auth/invitation/provider", json=body)).json()["location"]
    refused = await eve.come_back(await eve.sign_in_there(there, "eve"))
    assert refused.status_code == 403
    assert "The invitation is for" in sentence(refused)
    una = await a_person(people)
    there = (await una.ours.post("/auth/invitation/provider", json=body)).json()["location"]
    assert (await una.come_back(await una.sign_in_there(there, "una"))).status_code == 303
    assert (await una.ours.get("/session")).json()["user"]["email"] == "una@example.org"


async def test_an_account_there_has_no_password_here(people):
    eve = await a_person(people)
    await eve.sign_in("eve")
    change = {"old_password": PASSWORD, "new_password": "a wholly different phrase"}
    assert (await eve.ours.post("/auth/password", json=change)).status_code == 409
    me = (await eve.ours.get("/session")).json()["user"]["_id"]
    admin = await people.signed_in()
    assert (await admin.post(f"/users/{me}/action/password-link")).status_code == 409
    refused = await (await people.browser()).post("/auth/login", json={"email": "eve@example.org", "password": PASSWORD})
    assert refused.status_code == 401


@pytest.mark.parametrize("changes", [{"state": "x" * 43}, {"state": ""}, {"state": None}, {"state": "é"}])
async def test_a_wrong_state_is_refused(people, changes):
    eve = await a_person(people)
    back = await eve.sign_in_there(await eve.leave(), "eve")
    answer = await eve.come_back(with_parameters(back, **changes))
    assert answer.status_code == 401
    assert "not begun in this browser" in sentence(answer)
    assert "set-cookie" not in answer.headers


async def test_another_browser_cannot_be_made_to_finish_a_login(people):
    eve = await a_person(people)
    back = await eve.sign_in_there(await eve.leave(), "eve")
    victim = await a_person(people)
    assert (await victim.come_back(back)).status_code == 401
    await victim.leave()
    assert (await victim.come_back(back)).status_code == 401


async def test_a_code_counts_once(people):
    eve = await a_person(people)
    there = await eve.leave()
    cookies = dict(eve.ours.cookies)
    back = await eve.sign_in_there(there, "eve")
    assert (await eve.come_back(back)).status_code == 303
    assert (await eve.come_back(back)).status_code == 401
    thief = await people.browser(cookies=cookies)
    answer = await Person(thief, eve.theirs).come_back(back)
    assert answer.status_code == 401
    assert "invalid_grant" in sentence(answer)


async def test_a_login_that_takes_too_long_is_begun_again(people):
    eve = await a_person(people)
    back = await eve.sign_in_there(await eve.leave(), "eve")
    people.clock.tick(601)
    assert (await eve.come_back(back)).status_code == 401


@pytest.mark.parametrize("changes", [{"iss": "https://evil.example"}, {"iss": None}, {"code": None}, {"code": "x"}, {"code": "y" * 10_000}])
async def test_an_answer_that_is_not_the_providers_is_refused(people, changes):
    eve = await a_person(people)
    back = await eve.sign_in_there(await eve.leave(), "eve")
    assert (await eve.come_back(with_parameters(back, **changes))).status_code == 401


async def test_a_refusal_there_is_a_sentence_here(people):
    eve = await a_person(people)
    state = parse_qs(urlsplit(await eve.leave()).query)["state"][0]
    answer = await eve.come_back(f"{URL}/api/v1/auth/corp/callback?" + urlencode({"state": state, "error": "access_denied\r\nX: y"}))
    assert answer.status_code == 401
    assert sentence(answer) == '"Corp" did not sign you in: access_deniedX: y. Begin again.'


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/%09/evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=y",
        "/" + "a" * 3_000,
        "evil",
        "",
    ],
)
async def test_a_return_path_leads_nowhere_else(people, path):
    eve = await a_person(people)
    answer = await eve.sign_in("eve", "/auth/corp/start?" + urlencode({"next": path}))
    assert answer.status_code == 303
    location = urlsplit(answer.headers["location"])
    assert (location.scheme, location.netloc) == ("", "")
    assert location.path.startswith("/")
    assert not answer.headers["location"].startswith(("//", "/\\"))
    assert "x=y" not in str(answer.headers.get("set-cookie"))


async def test_an_expired_token_is_refused(people):
    eve = await a_person(people)
    back = await eve.sign_in_there(await eve.leave(), "eve")
    flows = people.people.flows
    object.__setattr__(people.people.providers.get("corp"), "_clock", AheadClock(7_200))
    answer = await eve.come_back(back)
    assert answer.status_code == 401
    assert "ID token is not valid (ExpiredTokenError)" in sentence(answer)
    assert flows.clock.ahead == 0


class AheadClock(SystemClockThatMoves):
    def __init__(self, seconds: int) -> None:
        self.ahead = seconds


async def test_keys_can_be_exchanged_at_any_time(people, corp):
    await (await a_person(people)).sign_in("eve")
    corp.keys = [a_key("k2"), *corp.keys]
    corp.again()
    people.clock.tick(FRESH_SECONDS)
    assert (await (await a_person(people)).sign_in("eve")).status_code == 303
    corp.keys = [a_key("k2")]
    corp.again()
    people.clock.tick(FRESH_SECONDS)
    assert (await (await a_person(people)).sign_in("eve")).status_code == 303


async def test_a_token_of_unknown_keys_does_not_make_the_provider_busy(people, corp):
    await (await a_person(people)).sign_in("eve")
    corp.keys = [a_key("k2")]
    corp.again()
    answer = await (await a_person(people)).sign_in("eve")
    assert answer.status_code == 401
    assert "ID token is not valid" in sentence(answer)


async def test_a_provider_that_is_away_is_said_to_be(people, corp):
    corp.stop()
    eve = await a_person(people)
    answer = await eve.ours.get("/auth/corp/start")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert '"Corp" cannot be reached now' in sentence(answer)
    assert str(corp.port) not in answer.text
    await people.signed_in()
    corp.start()
    assert (await eve.ours.get("/auth/corp/start")).status_code == 503
    people.clock.tick(AWAY_SECONDS)
    assert (await eve.sign_in("eve")).status_code == 303


async def test_a_provider_that_goes_away_on_the_way_is_said_to_be(people, corp):
    eve = await a_person(people)
    back = await eve.sign_in_there(await eve.leave(), "eve")
    corp.stop()
    assert (await eve.come_back(back)).status_code == 503
    assert (await eve.ours.get("/session")).status_code == 401


async def test_a_wrong_secret_is_a_refusal(corp, tmp_path):
    settings = corp.settings(client_secret="another one")
    async with a_people_bench(tmp_path, clock=SystemClockThatMoves(), oidc_providers=[settings]) as bench:
        answer = await (await a_person(bench)).sign_in("eve")
        assert answer.status_code == 401
        assert "invalid_client" in sentence(answer)
        assert "another one" not in answer.text


async def test_a_secret_in_a_file_is_read_at_each_login(corp, tmp_path):
    file = tmp_path / "secret"
    file.write_text("an old one\n")
    settings = {key: value for key, value in corp.settings(client_secret_file=str(file)).items() if key != "client_secret"}
    async with a_people_bench(
        tmp_path, clock=SystemClockThatMoves(), oidc_providers=[settings], auth_allowed_users=["EVE@example.org"]
    ) as bench:
        assert (await (await a_person(bench)).sign_in("eve")).status_code == 401
        file.write_text(corp.settings()["client_secret"] + "\n")
        assert (await (await a_person(bench)).sign_in("eve")).status_code == 303
        file.unlink()
        assert (await (await a_person(bench)).ours.get("/auth/corp/start")).status_code == 503


async def test_a_document_of_another_issuer_is_not_used(corp, tmp_path):
    settings = corp.settings(issuer=f"{corp.issuer}/")
    async with a_people_bench(tmp_path, clock=SystemClockThatMoves(), oidc_providers=[settings]) as bench:
        assert (await (await bench.browser()).get("/auth/corp/start")).status_code == 503


async def test_no_request_goes_to_a_host_that_was_not_named(corp, people):
    provider = people.people.providers.get("corp")
    metadata = await provider._discover()
    provider._metadata = None
    provider.settings = provider.settings.model_copy(update={"issuer": metadata["issuer"]})
    for name in ("token_endpoint", "jwks_uri", "authorization_endpoint"):
        with pytest.raises(Exception, match="cannot be reached"):
            provider._check(metadata | {name: "https://169.254.169.254/latest"})
    stray = metadata | {"userinfo_endpoint": "https://169.254.169.254/latest"}
    provider._check(stray)
    people.clock.tick(AWAY_SECONDS)
    provider._metadata = (provider._clock.monotonic(), stray)
    assert (await (await a_person(people)).sign_in("eve")).status_code == 403


async def test_a_private_authority_is_trusted_when_named(openid_program, tmp_path):
    certificate = ensure_certificate(tmp_path / "tls", names=["127.0.0.1"], now=SystemClock().now())
    tls = {"key": str(certificate.private_key_file), "cert": str(certificate.certificate_file)}
    server = OpenIdServer(openid_program, accounts={"eve": EVE}, tls=tls)
    server.start()
    try:
        known = server.settings(ca_file=str(certificate.ca_file))
        lists = {"auth_allowed_users": ["eve@example.org"], "clock": SystemClockThatMoves()}
        async with a_people_bench(tmp_path / "a", oidc_providers=[known], **lists) as bench:
            trust = ssl.create_default_context(cafile=certificate.ca_file)
            assert (await (await a_person(bench, verify=trust)).sign_in("eve")).status_code == 303
        async with a_people_bench(tmp_path / "b", oidc_providers=[server.settings()], **lists) as bench:
            answer = await (await bench.browser()).get("/auth/corp/start")
            assert answer.status_code == 503
            assert "certificate" not in answer.text.lower()
    finally:
        server.stop()


async def test_two_providers_stand_beside_each_other(openid_program, corp, tmp_path):
    other = OpenIdServer(openid_program, accounts={"eve": EVE | {"email": "eve@other.example"}}, provider_id="other")
    other.start()
    try:
        lists = {"auth_allowed_user_groups": ["corp:backup", "other:backup"], "clock": SystemClockThatMoves()}
        async with a_people_bench(tmp_path, oidc_providers=[corp.settings(), other.settings(name="Other")], **lists) as bench:
            one, two = await a_person(bench), await a_person(bench)
            await one.sign_in("eve", "/auth/corp/start")
            await two.sign_in("eve", "/auth/other/start")
            first, second = [(await person.ours.get("/session")).json()["user"] for person in (one, two)]
            assert first["_id"] != second["_id"]
            back = await one.sign_in_there(await one.leave("/auth/corp/start"), "eve")
            crossed = replace_provider(back)
            assert (await one.come_back(crossed)).status_code == 401
    finally:
        other.stop()


def replace_provider(url: str) -> str:
    return url.replace("/auth/corp/", "/auth/other/")


async def test_an_unknown_provider_is_404(people):
    browser = await people.browser()
    for path in ("/auth/nobody/start", "/auth/nobody/callback?state=x&code=y"):
        assert (await browser.get(path)).status_code == 404


async def test_an_address_that_changes_there_changes_here(people, corp):
    await (await a_person(people)).sign_in("eve")
    corp.accounts["eve"] = EVE | {"email": "eve.new@example.org"}
    corp.again()
    people.clock.tick(CACHE_SECONDS)
    await (await a_person(people)).sign_in("eve")
    found = await people.people.users.collection.find(eq("provider", "corp"))
    assert [user["email"] for user in found] == ["eve.new@example.org"]
    assert await people.people.users.collection.count(ALL) == 2


async def test_two_windows_of_somebody_new_make_one_user(people):
    one, two = await a_person(people), await a_person(people)
    ways = [await person.sign_in_there(await person.leave(), "eve") for person in (one, two)]
    answers = await asyncio.gather(*(person.come_back(way) for person, way in zip((one, two), ways, strict=True)))
    assert [answer.status_code for answer in answers] == [303, 303]
    first, second = [(await person.ours.get("/session")).json()["user"]["_id"] for person in (one, two)]
    assert first == second
