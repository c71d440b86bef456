"""Sealing at rest."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from cloudcasa_server.kit.crypto import Vault, VaultError, load_vault, new_key_line, write_private


def test_what_is_sealed_opens_only_in_its_place() -> None:
    vault = Vault({"a": secrets.token_bytes(32)})
    sealed = vault.seal({"secret_key": "hush"}, aad="stores/1/credentials")
    assert "hush" not in sealed
    assert vault.open(sealed, aad="stores/1/credentials") == {"secret_key": "hush"}
    with pytest.raises(VaultError, match="stores/2"):
        vault.open(sealed, aad="stores/2/credentials")
    with pytest.raises(VaultError):
        vault.open(sealed[:-6] + "AAAA==", aad="stores/1/credentials")
    with pytest.raises(VaultError, match="not in the key file"):
        Vault({"b": secrets.token_bytes(32)}).open(sealed, aad="stores/1/credentials")


def test_sealing_twice_gives_two_texts_and_one_digest() -> None:
    vault = Vault({"a": secrets.token_bytes(32)})
    assert vault.seal("x", aad="p") != vault.seal("x", aad="p")
    assert vault.digest({"a": 1, "b": 2}) == vault.digest({"b": 2, "a": 1})
    assert vault.digest("x") != vault.digest("y")
    assert repr(vault) == "Vault(a)"


def test_a_key_file_is_made_private_and_can_be_rotated(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    vault = load_vault(path)
    assert path.stat().st_mode & 0o777 == 0o600
    sealed = vault.seal("x", aad="p")
    assert load_vault(path).open(sealed, aad="p") == "x"
    write_private(path, path.read_bytes() + new_key_line().encode())
    rotated = load_vault(path)
    assert rotated.open(sealed, aad="p") == "x"
    assert not rotated.is_current(sealed)
    assert rotated.is_current(rotated.seal("x", aad="p"))


def test_a_damaged_key_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("nonsense\n")
    with pytest.raises(VaultError):
        load_vault(tmp_path / "k")
