"""What is decided about people of OpenID providers without asking one: tokens, lists, where to go on, and what settings are refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cloudcasa_server.identity.oidc.admission import AdmissionRules
from cloudcasa_server.identity.oidc.arrival import identity_key
from cloudcasa_server.identity.oidc.claims import MAX_GROUPS, Expected, Person, TokenError, completed, person_of, verify_id_token
from cloudcasa_server.identity.oidc.flow import Flows, safe_path
from cloudcasa_server.identity.oidc.transport import is_known_place
from cloudcasa_server.kit.provider_settings import ProviderSettings
from cloudcasa_server.kit.settings import Settings
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from tests.support.api import a_vault
from tests.support.clock import FakeClock

NOW = 1_800_000_000
KEY = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})
OTHER = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})
RSA = RSAKey.generate_key(2048, {"kid": "r1", "use": "sig"})
KEYS: dict[str, Any] = {"keys": [KEY.as_dict(private=False), RSA.as_dict(private=False)]}
EXPECTED = Expected("https://id.example.org", "cloudcasa", "n" * 43, NOW, "an access token")


def claims(**changes: Any) -> dict[str, Any]:
    made = {"iss": EXPECTED.issuer, "sub": "eve", "aud": "cloudcasa", "exp": NOW + 300, "iat": NOW, "nonce": EXPECTED.nonce} | changes
    return {key: value for key, value in made.items() if value is not None}


def a_token(key: Any = KEY, alg: str = "ES256", header: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode({"alg": alg, "kid": "k1"} | (header or {}), claims(**changes), key, algorithms=[alg])


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unsigned() -> str:
    return f"{part({'alg': 'none', 'kid': 'k1'})}.{part(claims())}."


def signed_with_the_public_key() -> str:
    """The oldest trick: a symmetric algorithm, keyed with what everybody knows."""
    text = f"{part({'alg': 'HS256', 'kid': 'r1'})}.{part(claims())}"
    return f"{text}.{part(hmac.digest(RSA.as_pem(private=False), text.encode(), 'sha256'))}"


def tampered() -> str:
    head, _, signature = a_token().split(".")
    return f"{head}.{part(claims(sub='max'))}.{signature}"


def test_a_good_token_says_who_it_is_of():
    assert verify_id_token(a_token(), KEYS, EXPECTED)["sub"] == "eve"
    assert verify_id_token(a_token(RSA, "RS256", {"kid": "r1"}), KEYS, EXPECTED)["sub"] == "eve"
    assert verify_id_token(a_token(aud=["cloudcasa", "other"], azp="cloudcasa"), KEYS, EXPECTED)["sub"] == "eve"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(unsigned, id="not signed"),
        pytest.param(signed_with_the_public_key, id="signed with the public key"),
        pytest.param(tampered, id="changed after signing"),
        pytest.param(lambda: a_token(OTHER), id="signed by another key"),
        pytest.param(lambda: a_token(header={"kid": "unknown"}), id="of an unknown key"),
        pytest.param(lambda: a_token(OTHER, header={"jwk": OTHER.as_dict(private=False)}), id="brings its own key"),
        pytest.param(lambda: a_token(iss="https://evil.example"), id="of another issuer"),
        pytest.param(lambda: a_token(iss=None), id="of no issuer"),
        pytest.param(lambda: a_token(aud="another client"), id="for another client"),
        pytest.param(lambda: a_token(aud=["other", "another"]), id="for other clients"),
        pytest.param(lambda: a_token(aud=["cloudcasa", "other"], azp="other"), id="given to another client"),
        pytest.param(lambda: a_token(aud=None), id="for nobody"),
        pytest.param(lambda: a_token(exp=NOW - 61), id="expired"),
        pytest.param(lambda: a_token(exp=None), id="without end"),
        pytest.param(lambda: a_token(exp="never"), id="with a wrong end"),
        pytest.param(lambda: a_token(iat=NOW + 3_600), id="of the future"),
        pytest.param(lambda: a_token(nbf=NOW + 3_600), id="not good yet"),
        pytest.param(lambda: a_token(nonce="another"), id="of another login"),
        pytest.param(lambda: a_token(nonce=None), id="of no login"),
        pytest.param(lambda: a_token(sub=None), id="of nobody"),
        pytest.param(lambda: a_token(sub=""), id="of an empty name"),
        pytest.param(lambda: a_token(sub=7), id="of a number"),
        pytest.param(lambda: a_token(sub="x" * 256), id="of an endless name"),
        pytest.param(lambda: a_token(at_hash="wrong"), id="of another access token"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: "a.b.c", id="no token"),
        pytest.param(lambda: "x" * 100_000, id="endless"),
        pytest.param(lambda: None, id="missing"),
        pytest.param(lambda: jws.serialize_compact({"alg": "ES256", "kid": "k1"}, b"[1]", KEY, algorithms=["ES256"]), id="no object"),
    ],
)
def test_a_token_that_is_not_good_is_refused(token):
    text = token()
    with pytest.raises(TokenError) as refused:
        verify_id_token(text, KEYS, EXPECTED)
    assert not text or text not in str(refused.value)


def test_keys_that_cannot_be_read_let_nobody_in():
    for keys in ({}, {"keys": []}, {"keys": "x"}, {"keys": [{"kty": "RSA"}]}, {"keys": [None]}):
        with pytest.raises(TokenError):
            verify_id_token(a_token(), keys, EXPECTED)


@pytest.mark.parametrize(
    ("told", "more", "verified"),
    [
        ({}, {"sub": "eve", "email": "eve@example.org", "email_verified": True}, True),
        ({"email": "eve@example.org"}, {"sub": "eve", "email": "eve@example.org", "email_verified": True}, True),
        ({"email": "max@example.org"}, {"sub": "eve", "email": "eve@example.org", "email_verified": True}, None),
        ({"email": "max@example.org"}, {"sub": "eve", "email_verified": True}, None),
        ({"email": "eve@example.org", "email_verified": False}, {"sub": "eve", "email": "eve@example.org", "email_verified": True}, False),
        ({}, {"sub": "max", "email": "max@example.org", "email_verified": True}, None),
        ({}, ["sub"], None),
        ({}, None, None),
    ],
)
def test_user_info_adds_what_the_token_leaves_out_about_the_same_person(told, more, verified):
    said = completed({"sub": "eve"} | told, more, email_claim="email")
    assert said["sub"] == "eve"
    assert said.get("email_verified") is verified
    assert said.get("email", "eve@example.org") == told.get("email", "eve@example.org")


def a_person(**said: Any) -> Person:
    return person_of({"sub": "eve"} | said, issuer=EXPECTED.issuer, email_claim="email", groups_claim="groups", trust_email=False)


@pytest.mark.parametrize("verified", [None, False, "true", 1, "yes"])
def test_an_address_is_verified_only_when_the_provider_says_true(verified):
    assert not a_person(email="eve@example.org", email_verified=verified).is_verified


@pytest.mark.parametrize("groups", [None, 7, {"a": 1}, [None, 7, ["x"]]])
def test_groups_that_are_none_are_none(groups):
    assert a_person(groups=groups).groups == ()


def test_what_is_malformed_counts_as_not_said():
    person = a_person(email="not an address", email_verified=True, given_name=7, family_name="A\r\nB", groups="one")
    assert (person.email, person.is_verified, person.first_name, person.last_name, person.groups) == ("", False, "", "AB", ("one",))
    assert len(a_person(groups=["g"] * 5_000).groups) == MAX_GROUPS


RULES = AdmissionRules(
    providers=frozenset({"corp", "other"}),
    allowed_users=["Ann@Example.org", "corp:kim@example.org"],
    allowed_groups=["backup", "corp:staff", "ldap:team"],
    siteadmin_users=["root@example.org"],
    siteadmin_groups=["corp:admins"],
    group_roles={"backup": ["USER"], "corp:admins": ["AUDITOR"]},
)


@pytest.mark.parametrize(
    ("said", "provider", "lets_in", "roles"),
    [
        ({"email": "ann@example.org", "email_verified": True}, "corp", True, []),
        ({"email": "ann@example.org"}, "corp", False, []),
        ({"email": "bob@example.org", "email_verified": True}, "corp", False, []),
        ({"email": "kim@example.org", "email_verified": True}, "corp", True, []),
        ({"email": "kim@example.org", "email_verified": True}, "other", False, []),
        ({"groups": ["backup"]}, "other", True, ["USER"]),
        ({"groups": ["staff"]}, "corp", True, []),
        ({"groups": ["staff"]}, "other", False, []),
        ({"groups": ["corp:staff"]}, "other", False, []),
        ({"groups": ["corp:admins"]}, "other", False, []),
        ({"groups": ["ldap:team"]}, "other", True, []),
        ({"groups": ["admins", "backup"]}, "corp", True, ["ADMIN", "USER", "AUDITOR"]),
        ({"groups": ["admins"]}, "other", False, []),
        ({"groups": ["Backup"]}, "corp", False, []),
        ({"email": "ROOT@example.org", "email_verified": True}, "other", True, ["ADMIN"]),
        ({"email": "root@example.org", "email_verified": False}, "other", False, []),
        ({}, "corp", False, []),
    ],
)
def test_the_lists_say_who_comes_in_and_with_which_roles(said, provider, lets_in, roles):
    person = a_person(**said)
    assert RULES.lets_in(person, provider=provider) is lets_in
    assert RULES.roles(person, provider=provider) == roles


def test_two_people_of_two_issuers_are_two():
    one, two = Person("https://a", "b|c"), Person("https://a|b", "c")
    assert identity_key(one) != identity_key(two)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/", "/"),
        ("/clusters/overview?new=true#top", "/clusters/overview?new=true#top"),
        ("/search?q=%C3%A9", "/search?q=%C3%A9"),
        ("/käse", "/k%C3%A4se"),
        ("//evil.example", "/"),
        ("///evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\b", "/"),
        ("/a\r\nLocation: x", "/"),
        ("/a\tb", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        (" /a", "/"),
        ("", "/"),
        ("/" + "a" * 2_000, "/"),
        ("/" + "ä" * 600, "/"),
    ],
)
def test_only_a_path_of_this_server_is_gone_on_to(text, path):
    assert safe_path(text) == path


def a_browser(response: Response) -> Request:
    cookie = response.headers["set-cookie"].partition(";")[0]
    return Request({"type": "http", "headers": [(b"cookie", cookie.encode())]})


def test_a_login_is_recalled_by_its_browser_provider_and_state_for_ten_minutes():
    flows, response = Flows(a_vault(), FakeClock()), Response()
    flow = flows.begin("corp", next_path="/a")
    flows.remember(response, flow)
    browser = a_browser(response)
    assert flow.verifier not in response.headers["set-cookie"]
    assert flows.recall(browser, provider="corp", state=flow.state) == flow
    assert flows.recall(browser, provider="other", state=flow.state) is None
    assert flows.recall(browser, provider="corp", state="x") is None
    assert Flows(a_vault(), flows.clock).recall(browser, provider="corp", state=flow.state) is None
    flows.clock.tick(600)
    assert flows.recall(browser, provider="corp", state=flow.state) is None


A_PROVIDER = {"id": "corp", "name": "Corp", "issuer": "https://id.example.org/realm", "client_id": "c"}


@pytest.mark.parametrize(
    ("url", "is_known"),
    [
        ("https://id.example.org/realm/token", True),
        ("https://id.example.org:443/token", False),
        ("https://id.example.org:8443/token", False),
        ("http://id.example.org/token", False),
        ("https://keys.example.org/jwks", True),
        ("https://evil.example/token", False),
        ("https://id.example.org.evil.example/token", False),
        ("https://id.example.org@evil.example/token", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_requests_go_to_named_places_only(url, is_known):
    assert is_known_place(url, ProviderSettings(**A_PROVIDER, endpoint_hosts=["keys.example.org"])) is is_known


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "local"},
        {"id": "Corp"},
        {"id": "a/b"},
        {"id": ""},
        {"issuer": "http://id.example.org"},
        {"issuer": "id.example.org"},
        {"issuer": "https://id.example.org?x=1"},
        {"client_id": ""},
        {"client_secret": "s", "client_secret_file": "/run/secret"},
        {"scopes": ["email"]},
        {"colour": "blue"},
    ],
)
def test_a_provider_that_is_set_up_wrongly_is_refused_at_the_start(tmp_path, changes):
    with pytest.raises(ValidationError):
        Settings(data_dir=tmp_path, oidc_providers=[A_PROVIDER | changes])


@pytest.mark.parametrize(
    "settings", [{"oidc_providers": [A_PROVIDER, A_PROVIDER]}, {"local_login": False}, {"trusted_proxies": ["10.0.0.1/8"]}]
)
def test_settings_that_contradict_themselves_are_refused_at_the_start(tmp_path, settings):
    with pytest.raises(ValidationError):
        Settings(data_dir=tmp_path, **settings)


def test_a_secret_is_not_shown_with_the_settings(tmp_path):
    settings = Settings(data_dir=tmp_path, oidc_providers=[A_PROVIDER | {"client_secret": "hush hush"}])
    assert "hush" not in repr(settings)
    assert hashlib.sha256(b"hush hush").hexdigest() not in repr(settings)
