"""The program: its command line, its first screen, and that every route says who may use it."""

from __future__ import annotations

import asyncio
import stat

import pytest
import uvicorn
from cloudcasa_server.__main__ import _first_start, _greeting, main, read_settings, uvicorn_config
from cloudcasa_server.app import create_app, server_certificate
from cloudcasa_server.cluster.resource import Installation
from cloudcasa_server.kit import migration
from cloudcasa_server.kit.clock import SystemClock
from cloudcasa_server.kit.rest import routes_without_access
from cloudcasa_server.kit.settings import Settings
from cloudcasa_server.kit.store.opening import FILE_NAME
from cloudcasa_server.kit.store.sqlite import SqliteStore
from cloudcasa_server.kit.tls import ensure_certificate

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


def test_database_of_a_newer_server_is_a_sentence_and_stays_as_it_is(monkeypatch, capsys, tmp_path):
    async def written_by_a_newer_server():
        store = SqliteStore(tmp_path / FILE_NAME)
        lease = {"owner": "", "name": "", "until": 0.0}
        await store.collection(migration.COLLECTION).insert({"_id": migration.STATE_ID, "version": 99, "cursor": "", "lease": lease})
        await store.close()

    asyncio.run(written_by_a_newer_server())
    monkeypatch.setattr("sys.argv", ["cloudcasa-server", "serve", "--data-dir", str(tmp_path), "--host", "127.0.0.1"])
    monkeypatch.setenv("CLOUDCASA_TLS", "false")
    assert main() == 1
    told = capsys.readouterr()
    assert "cannot start: The database was written by a newer server: it is at version 99" in told.err
    assert "Traceback" not in told.err + told.out
    assert not (tmp_path / "bootstrap-key").exists()


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


def an_own_certificate(tmp_path, *, ca="ca.crt"):
    """Return the settings of an operator who brings a certificate; another server's CA plays the private one."""
    made = ensure_certificate(tmp_path / "pki", names=["cc.example"], now=SystemClock().now())
    files = {"tls_certificate_file": made.certificate_file, "tls_private_key_file": made.private_key_file}
    return Settings(data_dir=tmp_path / "data", public_url="https://cc.example", tls_ca_file=tmp_path / "pki" / ca, **files)


def test_private_ca_of_an_own_certificate_goes_to_agents_and_people(tmp_path):
    settings = an_own_certificate(tmp_path)
    certificate = server_certificate(settings, clock=SystemClock())
    screen = _greeting(settings, certificate) + _first_start(settings)
    assert f"CA file      {settings.tls_ca_file}" in screen
    assert f"--cacert {settings.tls_ca_file}" in screen
    installation = create_app(settings).state.parts.services.get(Installation)
    assert installation.ca_pem == settings.tls_ca_file.read_text()


def test_ca_that_did_not_sign_the_certificate_is_refused(tmp_path):
    ensure_certificate(tmp_path / "pki" / "other", names=["x"], now=SystemClock().now())
    with pytest.raises(ValueError, match="not signed by a CA in"):
        server_certificate(an_own_certificate(tmp_path, ca="other/ca.crt"), clock=SystemClock())


def test_ca_without_a_certificate_is_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="CLOUDCASA_TLS_CERTIFICATE_FILE"):
        Settings(data_dir=tmp_path, tls_ca_file=tmp_path / "ca.crt")


@pytest.mark.parametrize(("host", "words"), [("0.0.0.0", "all of this machine's addresses"), ("fd00::1", "[fd00::1]:8443")])
def test_first_screen_says_where_it_listens(tmp_path, host, words):
    assert words in _greeting(Settings(data_dir=tmp_path, listen_host=host), None)


@pytest.mark.parametrize("path", [b"/?" + b"x" * 400_000, b"/ HTTP/1.1\r\nX-A: " + b"x" * 400_000], ids=["query", "header"])
async def test_endless_head_of_a_request_is_refused(tmp_path, path):
    """From anybody, before any key is asked for: it must not fill the memory."""
    settings = Settings(data_dir=tmp_path, tls=False, listen_host="127.0.0.1", listen_port=0)
    server = uvicorn.Server(uvicorn_config(create_app(settings), settings, None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname())
    writer.write(b"GET " + path)
    assert b" 431 " in await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    server.should_exit = True
    await serving
