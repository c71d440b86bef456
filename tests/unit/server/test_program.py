"""The program: its command line, its first screen, and that every route says who may use it."""

from __future__ import annotations

import stat

import pytest
from cloudcasa_server.__main__ import _first_start, _greeting, main, read_settings
from cloudcasa_server.app import create_app, server_certificate
from cloudcasa_server.kit.clock import SystemClock
from cloudcasa_server.kit.rest import routes_without_access
from cloudcasa_server.kit.settings import Settings

from tests.support.server import a_server


def test_help_names_what_matters(capsys):
    with pytest.raises(SystemExit) as ended:
        read_settings(["serve", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for word in ("--data-dir", "--host", "--port", "--public-url", "CLOUDCASA_DATABASE_URL", "SIGTERM"):
        assert word in shown


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        (["--host", "10.0.0.5", "--port", "443"], "https://10.0.0.5:443"),
        (["--host", "fd00::1"], "https://[fd00::1]:8443"),
        (["--public-url", "https://cc.example"], "https://cc.example"),
    ],
)
def test_public_url_follows_from_where_it_listens(monkeypatch, arguments, url):
    monkeypatch.delenv("CLOUDCASA_PUBLIC_URL", raising=False)
    assert read_settings(["serve", *arguments]).public_url == url


def test_wrong_setting_is_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["cloudcasa-server", "serve", "--public-url", "nowhere"])
    assert main() == 2
    assert "https://backup.example.org" in capsys.readouterr().err


def test_first_screen_fits_and_holds_no_secret(tmp_path):
    settings = Settings(data_dir=tmp_path, public_url="https://cc.example")
    certificate = server_certificate(settings, clock=SystemClock())
    screen = _greeting(settings, certificate) + _first_start(settings)
    assert len(screen.splitlines()) < 15
    for word in ("https://cc.example", "ca.crt", "SHA-256", "bootstrap-key"):
        assert word in screen


async def test_bootstrap_key_is_for_its_owner_only_and_made_once(tmp_path):
    async with a_server(tmp_path / "data"):
        file = tmp_path / "data" / "bootstrap-key"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        key = file.read_text()
    async with a_server(tmp_path / "data") as again:
        assert file.read_text() == key
        assert again.app.state.has_new_key is False


def test_every_route_says_who_may_use_it(tmp_path):
    app = create_app(Settings(data_dir=tmp_path, tls=False))
    assert routes_without_access(app) == []
