"""The commands for whoever holds the machine: an administrator, and a link for who forgot the password."""

from __future__ import annotations

import asyncio
import io

import pytest
from cloudcasa_server.__main__ import main
from cloudcasa_server.kit.store.opening import FILE_NAME

from tests.support.people import PASSWORD
from tests.support.server import a_server


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CLOUDCASA_PASSWORD_MEMORY_KIB", "8")
    monkeypatch.setenv("CLOUDCASA_PASSWORD_PASSES", "1")
    monkeypatch.setenv("CLOUDCASA_TLS", "false")
    monkeypatch.setenv("CLOUDCASA_PUBLIC_URL", "https://backup.example.org")

    def command(*arguments: str, stdin: str = ""):
        monkeypatch.setattr("sys.argv", ["cloudcasa-server", *arguments, "--data-dir", str(tmp_path)])
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main()
        said = capsys.readouterr()
        return code, said.out + said.err

    return command


def test_the_first_administrator_is_made_before_the_first_start(run, tmp_path):
    code, said = run("create-admin", "--email", "ann@example.org", stdin=f"{PASSWORD}\n")
    assert code == 0, said
    assert "ann@example.org can sign in now" in said
    assert PASSWORD not in said
    stored = b"".join(path.read_bytes() for path in tmp_path.glob(f"{FILE_NAME}*"))
    assert b"ann@example.org" in stored
    assert PASSWORD.encode() not in stored


async def test_an_administrator_made_before_the_first_start_may_do_everything(run, tmp_path):
    code, said = await asyncio.to_thread(run, "create-admin", "--email", "ann@example.org", stdin=PASSWORD)
    assert code == 0, said
    (tmp_path / "bootstrap-key").write_text("the server makes none, since there is an administrator")
    async with a_server(tmp_path) as server:
        body = {"email": "ann@example.org", "password": PASSWORD, "token": True}
        token = (await server.api.post("/api/v1/auth/login", json=body)).json()["token"]
        said = (await server.api.get("/api/v1/session", headers={"Authorization": f"Bearer {token}"})).json()
        assert said["permissions"] == ["*.*"]


async def test_an_administrator_made_beside_a_running_server_can_sign_in(run, tmp_path):
    async with a_server(tmp_path) as server:
        code, said = await asyncio.to_thread(run, "create-admin", "--email", "ann@example.org", "--name", "Ann", stdin=PASSWORD)
        assert code == 0, said
        body = {"email": "ann@example.org", "password": PASSWORD, "token": True}
        answer = await server.api.post("/api/v1/auth/login", json=body)
        assert answer.status_code == 200
        known = {"Authorization": f"Bearer {answer.json()['token']}"}
        assert "*.*" in (await server.api.get("/api/v1/session", headers=known)).json()["permissions"]
        code, said = await asyncio.to_thread(run, "password-link", "--email", "ANN@example.org")
        assert code == 0, said
        token = said.strip().partition("https://backup.example.org/login/password#token=")[2]
        changed = await server.api.post("/api/v1/auth/link/password", json={"token": token, "password": "quite another phrase"})
        assert changed.status_code == 200, changed.text
        assert (await server.api.get("/api/v1/session", headers=known)).status_code == 401
        entries = (await server.get("auditlogs", where='{"user": "system", "resource": "users"}', sort="_id"))["_items"]
        assert {(entry["operation"], entry["name"]) for entry in entries} == {
            ("create-admin", "ann@example.org"),
            ("password-link", "ANN@example.org"),
        }


@pytest.mark.parametrize(
    ("email", "password", "word"),
    [
        ("ann@example.org", "short", "12 to 1024"),
        ("ann@example.org", "", "required"),
        ("nonsense", PASSWORD, "not an e-mail address"),
    ],
)
def test_a_refused_administrator_is_a_sentence(run, email, password, word):
    code, said = run("create-admin", "--email", email, stdin=password)
    assert code == 1
    assert word in said


def test_an_administrator_who_exists_is_pointed_to_the_link(run):
    assert run("create-admin", "--email", "ann@example.org", stdin=PASSWORD)[0] == 0
    code, said = run("create-admin", "--email", "Ann@example.org", stdin=PASSWORD)
    assert code == 1
    assert "password-link" in said


def test_a_link_for_nobody_is_a_sentence(run):
    code, said = run("password-link", "--email", "nobody@example.org")
    assert code == 1
    assert "There is no user" in said


def test_a_password_cannot_be_given_on_the_command_line(run):
    with pytest.raises(SystemExit):
        run("create-admin", "--email", "ann@example.org", "--password", PASSWORD)
