"""What signing in stands on: e-mail addresses, password rules, hashing, where a request comes from, and throttling."""

from __future__ import annotations

import asyncio
import unicodedata
from ipaddress import ip_network
from pathlib import Path

import pytest
from cloudcasa_server.identity.address import client_address, neighbourhood
from cloudcasa_server.identity.emails import canonical_email, find_email
from cloudcasa_server.identity.passwords import MAX_WAITING, WORKERS, Cost, Passwords, check_password
from cloudcasa_server.identity.throttle import ACCOUNT, COLLECTION, FORGET_SECONDS, PAIR, Throttle, Try
from cloudcasa_server.kit.errors import InvalidError, TooManyRequestsError, UnavailableError
from cloudcasa_server.kit.store import ALL
from starlette.requests import Request

from tests.support.api import a_store, a_vault
from tests.support.clock import FakeClock

CHEAP = Cost(memory_kib=8, passes=1)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("ann@example.org", "ann@example.org"),
        ("Ann.B+x@Example.ORG", "ann.b+x@example.org"),
        ("JÜRGEN@bücher.example", "jürgen@bücher.example"),
        (unicodedata.normalize("NFD", "jürgen@example.org"), "jürgen@example.org"),
        ("STRAßE@example.org", "straße@example.org"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_one_person_has_one_spelling(text, canonical):
    assert canonical_email(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@exa mple.org",
        "ann@@example.org",
        "a@b@example.org",
        "ann@-example.org",
        "ann@example..org",
        "ann@example.org\r\nBcc: eve@example.org",
        "ann@example.org\0",
        "ａnn@example.org",
        "claſs@example.org",
        "an\u200bn@example.org",
        "\u202eann@example.org",
        "a" * 65 + "@example.org",
        "a@" + "b" * 300,
        '"a b"@example.org',
        "Ann <ann@example.org>",
    ],
)
def test_what_is_no_plain_address_is_refused(text):
    assert find_email(text) is None


def test_two_people_whose_names_fold_together_stay_two():
    assert canonical_email("ss@example.org") != canonical_email("ß@example.org")


@pytest.mark.parametrize("password", ["", None, 12, ["x"] * 12, "eleven char", "x" * 1025, " " * 20, "ANN-the-first@example.org"])
def test_a_poor_password_is_refused_without_repeating_it(password):
    with pytest.raises(InvalidError) as refused:
        check_password(password, email="ann-the-first@example.org")
    assert refused.value.issues.keys() == {"password"}
    assert not (isinstance(password, str) and password.strip() and password in refused.value.text)


def test_a_passphrase_needs_no_digits_or_signs():
    assert check_password("correct horse battery", email="a@b") == "correct horse battery"


async def test_a_password_is_known_by_its_hash_in_every_composition():
    passwords = Passwords(CHEAP)
    hashed = await passwords.hash(check_password("Füße im Wasser!", email="a@b"))
    assert hashed.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert await passwords.verify(unicodedata.normalize("NFD", "Füße im Wasser!"), hashed)
    assert not await passwords.verify("Füße im Wasser?", hashed)


@pytest.mark.parametrize("hashed", [None, "", "not a hash", "$argon2id$v=19$m=8"])
async def test_nothing_is_the_password_of_nobody(hashed):
    assert not await Passwords(CHEAP).verify("", hashed)
    assert not await Passwords(CHEAP).verify("correct horse battery", hashed)


async def test_a_password_of_a_megabyte_is_not_hashed():
    passwords = Passwords(CHEAP)
    hashed = await passwords.hash("x" * 1024)
    assert await passwords.verify("x" * 1024, hashed)
    assert not await passwords.verify("x" * 1_000_000, hashed)


def test_other_parameters_make_a_hash_outdated():
    old = Passwords(CHEAP)._hasher.hash("correct horse battery")
    assert not Passwords(CHEAP).is_outdated(old)
    assert Passwords(Cost(memory_kib=16, passes=1)).is_outdated(old)


async def test_more_logins_than_can_wait_are_told_to_come_back():
    passwords = Passwords(CHEAP)
    room = WORKERS + MAX_WAITING
    answers = await asyncio.gather(*(passwords.verify("x" * 12, None) for _ in range(room + 5)), return_exceptions=True)
    assert [isinstance(answer, UnavailableError) for answer in answers] == [False] * room + [True] * 5
    assert await passwords.verify("x" * 12, None) is False


TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def a_request(peer: str, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    return Request({"type": "http", "client": (peer, 1234), "headers": headers})


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.1.1.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["6.6.6.6, 198.51.100.1, 10.2.2.2"], "198.51.100.1"),
        ("10.1.1.1", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        ("10.1.1.1", ["not an address"], "10.1.1.1"),
        ("10.1.1.1", [""], "10.1.1.1"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("10.1.1.1", ["6.6.6.6, 198.51.100.1:4711"], "198.51.100.1"),
        ("10.1.1.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.1.1.1", ["[2001:db8::7]"], "2001:db8::7"),
        ("::ffff:10.1.1.1", ["198.51.100.1"], "198.51.100.1"),
    ],
)
def test_only_a_trusted_proxy_says_who_calls(peer, forwarded, client):
    assert client_address(a_request(peer, *forwarded), trusted=TRUSTED) == client


def test_neighbours_in_ipv6_count_as_one():
    assert neighbourhood("2001:db8:1:2::1") == neighbourhood("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert neighbourhood("192.0.2.1") == "192.0.2.1"


@pytest.fixture
async def throttle(tmp_path: Path):
    store = a_store(tmp_path)
    yield Throttle(store, FakeClock(), a_vault().digest)
    await store.close()


async def tries(throttle: Throttle, count: int, **who: str) -> list[int]:
    """Return how long each try was told to wait; 0: it was let in."""
    waits = []
    for _ in range(count):
        try:
            await throttle.admit(**({"account": "ann@example.org", "address": "192.0.2.1"} | who))
            waits.append(0)
        except TooManyRequestsError as refused:
            waits.append(int(refused.headers["Retry-After"]))
            throttle.clock.tick(waits[-1])
    return waits


async def test_waits_double_up_to_a_limit(throttle):
    waits = [wait for wait in await tries(throttle, 60) if wait]
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert max(waits) == PAIR.longest


async def test_a_stranger_cannot_lock_an_account_for_long(throttle):
    waits = [wait for number in range(80) for wait in await tries(throttle, 1, address=f"198.51.100.{number}")]
    assert max(waits) == ACCOUNT.longest


async def test_its_owner_passes_a_stranger_from_a_known_address(throttle):
    await throttle.succeeded(await throttle.admit(account="ann@example.org", address="192.0.2.1"))
    for number in range(40):
        await tries(throttle, 1, address=f"198.51.100.{number}")
    assert await tries(throttle, 3) == [0, 0, 0]


async def test_neighbours_who_guess_do_not_keep_an_owner_out(throttle):
    await throttle.succeeded(await throttle.admit(account="ann@example.org", address="192.0.2.1"))
    for number in range(80):
        await tries(throttle, 1, account=f"nobody{number}@example.org")
    assert await tries(throttle, 3) == [0, 0, 0]


async def test_a_login_of_ones_own_does_not_clean_an_address(throttle):
    for number in range(200):
        try:
            await throttle.admit(account=f"victim{number}@example.org", address="192.0.2.1")
        except TooManyRequestsError:
            break
    await throttle.clock.advance(1)
    for _ in range(3):
        await throttle.succeeded(await throttle.admit(account="eve@example.org", address="192.0.2.1"))
    await throttle.admit(account="next@example.org", address="192.0.2.1")
    with pytest.raises(TooManyRequestsError):
        await throttle.admit(account="next@example.org", address="192.0.2.1")


async def test_after_an_hour_in_peace_all_is_forgotten(throttle):
    await tries(throttle, 20)
    throttle.clock.tick(FORGET_SECONDS + PAIR.longest)
    assert await tries(throttle, 5) == [0] * 5


async def test_tries_at_the_same_moment_are_all_counted(throttle):
    admitted = await asyncio.gather(
        *(throttle.admit(account="ann@example.org", address="192.0.2.1") for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(one, Try) for one in admitted) <= PAIR.free
    assert all(isinstance(one, Try | TooManyRequestsError) for one in admitted)


async def test_counters_that_mean_nothing_are_dropped(throttle):
    await tries(throttle, 3)
    throttle.clock.tick(FORGET_SECONDS + PAIR.longest + 1)
    await throttle.prune()
    assert await throttle.store.collection(COLLECTION).count(ALL) == 0
