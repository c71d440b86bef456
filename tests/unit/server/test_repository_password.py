"""The repository password at the server's command line, and whether one opens a repository."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from cloudcasa_server.__main__ import main
from cloudcasa_server.kit.store.opening import FILE_NAME
from cloudcasa_server.store_import.repository import Fit, derived, fits
from pydantic import SecretStr

from tests.support.server import a_server
from tests.support.stored_backups import a_repository

OLD = "the-old-one-only-in-this-test"


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CLOUDCASA_TLS", "false")

    def command(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["cloudcasa-server", "repository-password", *arguments, "--data-dir", str(tmp_path)])
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_password_is_set_before_the_first_start_and_shown_alone_on_a_line(run, tmp_path):
    code, out, err = run("set", stdin=f"{OLD}\n")
    assert (code, OLD in out + err) == (0, False)
    code, out, err = run("show")
    assert (code, out, err) == (0, f"{OLD}\n", "")
    stored = b"".join(path.read_bytes() for path in tmp_path.glob(f"{FILE_NAME}*"))
    assert OLD.encode() not in stored


async def test_running_server_has_the_password_that_was_set_and_records_who_asked(run, tmp_path):
    async with a_server(tmp_path) as server:
        store = await server.a_store()
        code, _, err = await asyncio.to_thread(run, "set", stdin=OLD)
        assert code == 0, err
        stores = server.parts.stores
        assert (await stores.repository_password()).get_secret_value() == OLD
        kept = await stores.documents.get(store["_id"])
        assert stores.vault.open(kept["repo_password"], aad=f"objectstores/{store['_id']}/repo_password") == OLD
        log = (await server.get("auditlogs", where=json.dumps({"operation": "repository-password set"})))["_items"]
        assert len(log) == 1
        assert OLD not in json.dumps(log)


async def test_password_is_not_changed_under_a_cluster_that_was_given_it(run, tmp_path):
    async with a_server(tmp_path) as server:
        cluster = await server.a_cluster()
        async with (await server.an_agent(cluster)).connected():
            await server.state(cluster["_id"], "ACTIVE")
        before = await server.parts.stores.repository_password()
        code, _, err = await asyncio.to_thread(run, "set", "--force", stdin=OLD)
        assert code == 1
        assert 'the Velero of "prod-eu" has been given the present one' in err
        assert await server.parts.stores.repository_password() == before
        same = before.get_secret_value()
        code, _, err = await asyncio.to_thread(run, "set", stdin=same)
        assert code == 0, err


@pytest.mark.parametrize("password", ["", "two\nlines", "tab\there", "x" * 1_025], ids=["empty", "two lines", "control", "long"])
def test_password_that_cannot_be_one_is_refused_and_not_repeated(run, password):
    code, out, err = run("set", stdin=password.replace("\n", "\v"))
    assert code == 1
    assert "printable characters on one line" in err
    assert not password or password not in out + err


def test_right_password_fits_and_wrong_one_does_not():
    blob = a_repository("right")
    assert (fits(blob, SecretStr("right")), fits(blob, SecretStr("wrong"))) == (Fit.GOOD, Fit.WRONG)


def test_keys_are_derived_as_kopia_derives_them():
    """The vector of kopia's own TestDeriveKeyFromMasterKey."""
    key = derived(b"ABCDEFGHIJKLMNOP", salt=b"0123456789012345", purpose="the-test-purpose")
    assert key.hex() == "828769ee8969bc37f11dbaa32838f8db6c19daa6e3ae5f5eed2da2d94d8faddb"


@pytest.mark.parametrize(
    "blob",
    [b"", b"null", b"[]", b"\xff", b"{}", a_repository("right", algorithm="argon9"), b'{"uniqueID": "a"}', b"[" * 5_000],
    ids=["empty", "null", "list", "binary", "object", "algorithm", "base64", "deep"],
)
def test_what_is_no_repository_of_a_known_kind_is_not_judged(blob):
    assert fits(blob, SecretStr("right")) is Fit.UNKNOWN
