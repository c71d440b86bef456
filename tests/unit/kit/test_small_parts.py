"""Settings, logging, bus, ids."""

from __future__ import annotations

import asyncio

import pytest
from cloudcasa_server.kit.bus import LocalBus
from cloudcasa_server.kit.ids import is_id, new_id, new_token
from cloudcasa_server.kit.logging import redact
from cloudcasa_server.kit.rest.middleware import canonical
from cloudcasa_server.kit.settings import Settings
from pydantic import ValidationError


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDCASA_PUBLIC_URL", "https://backup.example.org:9443/")
    monkeypatch.setenv("CLOUDCASA_DATABASE_URL", "mongodb://u:hush@db/x")
    settings = Settings()
    assert settings.certificate_names == ["backup.example.org", "localhost", "127.0.0.1", "::1"]
    assert "hush" not in repr(settings)


def test_a_public_url_without_a_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDCASA_PUBLIC_URL", "backup.example.org")
    with pytest.raises(ValidationError, match="must look like"):
        Settings()


def test_secrets_are_taken_out_of_logs() -> None:
    event = {
        "event": "Calling mongodb://u:hush@db/x with Bearer abcdefghijkl",
        "secret_key": "hush",
        "nested": {"credentials": {"a": "hush"}, "list": [{"api_key": "hush"}]},
        "keys": "hush",
        "name": "shown",
        "monkey": "shown",
        "has_token": True,
    }
    out = redact(None, "info", event)
    assert "hush" not in str(out)
    assert "abcdefghijkl" not in str(out)
    assert (out["name"], out["monkey"], out["has_token"]) == ("shown", "shown", True)


async def test_a_message_reaches_those_who_listen_now() -> None:
    bus = LocalBus()
    await bus.publish("t", {"lost": "1"})
    async with bus.subscribe("t") as one, bus.subscribe("t") as two, bus.subscribe("u") as other:
        await bus.publish("t", {"id": "2"})
        assert await asyncio.gather(one.receive(), two.receive()) == [{"id": "2"}, {"id": "2"}]
        assert await other.receive(timeout_seconds=0.01) is None
    await bus.publish("t", {"id": "3"})


def test_ids_are_unique_ordered_and_of_the_right_form() -> None:
    ids = [new_id() for _ in range(1000)]
    assert all(is_id(one) for one in ids)
    assert len(set(ids)) == 1000
    assert ids == sorted(ids)
    assert len(new_token(120)) == 120


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("/api/v1//a/", "/api/v1/a"), ("//api/v1/a", "/api/v1/a"), ("/", "/"), ("/ui/x/", "/ui/x/"), ("/api/", "/api")],
)
def test_paths_are_made_canonical(path: str, wanted: str) -> None:
    assert canonical(path) == wanted


def test_secret_in_a_path_is_not_logged() -> None:
    out = redact(None, "info", {"event": "Request answered", "path": f"/kubeclusteragents/{'x' * 43}.yaml"})
    assert out["path"] == "/kubeclusteragents/[hidden].yaml"
