"""Encryption at rest: secrets in documents are sealed with a key that is not in the database (architecture.md 5).

Envelope: each value has a fresh 256-bit data key; AES-256-GCM seals the value with it and seals it with a key-encryption key. The additional
data (resource/id/path) ties a value to its place: moved elsewhere, it does not open. The key file has one key a line,
`<key id> <base64 of 32 bytes>`; the last line writes, all read: rotate by appending a line, sealing again, and dropping the old line.
Text form: `sealed:v1:<key id>:<base64url>`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX = "sealed:v1:"
KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEAD = _NONCE_BYTES + KEY_BYTES + _TAG_BYTES


class VaultError(Exception):
    """A sealed value cannot be opened, or the key file cannot be used. The text holds no secret."""


class Vault:
    """Seals and opens values."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Take the keys by id, the newest last."""
        if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
            raise VaultError("A vault needs at least one key of 32 bytes.")
        self._keys = dict(keys)
        self._newest = list(keys)[-1]

    def __repr__(self) -> str:
        """Show the ids of the keys, never a key."""
        return f"Vault({', '.join(self._keys)})"

    def seal(self, value: Any, *, aad: str) -> str:
        """Return the value as text that opens only here and with the same `aad`."""
        data_key, nonce, outer_nonce = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(_NONCE_BYTES), secrets.token_bytes(_NONCE_BYTES)
        bound = f"{self._newest}|{aad}".encode()
        wrapped = AESGCM(self._keys[self._newest]).encrypt(outer_nonce, data_key, bound)
        sealed = AESGCM(data_key).encrypt(nonce, orjson.dumps(value), bound)
        return f"{PREFIX}{self._newest}:{base64.urlsafe_b64encode(outer_nonce + wrapped + nonce + sealed).decode()}"

    def open(self, text: str, *, aad: str) -> Any:
        """Return the value. Raises VaultError when the key is unknown, the text was changed, or it was sealed for another place."""
        key_id, _, body = text.removeprefix(PREFIX).partition(":")
        key = self._keys.get(key_id)
        if key is None or not is_sealed(text):
            raise VaultError(f'A secret of {aad} cannot be opened: key "{key_id}" is not in the key file.')
        bound = f"{key_id}|{aad}".encode()
        try:
            raw = base64.urlsafe_b64decode(body)
            data_key = AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:_HEAD], bound)
            return orjson.loads(AESGCM(data_key).decrypt(raw[_HEAD : _HEAD + _NONCE_BYTES], raw[_HEAD + _NONCE_BYTES :], bound))
        except (InvalidTag, ValueError, binascii.Error) as e:
            raise VaultError(f"A secret of {aad} cannot be opened: it was changed or belongs to another document.") from e

    def is_current(self, text: str) -> bool:
        """Tell whether the value was sealed with the newest key."""
        return text.startswith(f"{PREFIX}{self._newest}:")

    def digest(self, value: Any) -> str:
        """Return a keyed digest: tells a change of a secret (in an etag) and nothing else."""
        return hmac.new(self._keys[self._newest], b"digest|" + orjson.dumps(value, option=orjson.OPT_SORT_KEYS), sha256).hexdigest()


def is_sealed(value: object) -> bool:
    """Tell whether this is a sealed value."""
    return isinstance(value, str) and value.startswith(PREFIX)


def load_vault(path: Path) -> Vault:
    """Return the vault of a key file, which is made (0600) at first start."""
    try:
        if not path.exists():
            write_private(path, new_key_line().encode(), is_new=True)
        return Vault(dict(_parse(line) for line in path.read_text("ascii").splitlines() if line.strip()))
    except FileExistsError:
        return load_vault(path)
    except (OSError, ValueError) as e:
        raise VaultError(f"The key file {path} cannot be used: {e}. Without it, stored credentials cannot be read.") from e


def new_key_line() -> str:
    """Return a line for the key file, with a new key."""
    return f"{secrets.token_hex(4)} {base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n"


def _parse(line: str) -> tuple[str, bytes]:
    key_id, _, text = line.strip().partition(" ")
    return key_id, base64.b64decode(text.strip(), validate=True)


def write_private(path: Path, content: bytes, *, is_new: bool = False) -> None:
    """Write a file only its owner may read, whole or not at all. With `is_new`, raises FileExistsError when it is there already."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            os.link(draft, path)
        else:
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
