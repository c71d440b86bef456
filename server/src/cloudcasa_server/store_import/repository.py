"""Whether a password opens a backup repository, told from `kopia.repository`, the one small object that says how the rest is encrypted.

Source: kopia (github.com/project-velero/kopia v0.0.0-20251230033609) repo/format/format_blob.go and internal/crypto: scrypt over the password
with the repository's id as salt, HKDF-SHA256 for each purpose, AES-256-GCM. What is made otherwise is not judged.
"""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

_CIPHER = "AES256_GCM"
_KEY_BYTES, _NONCE_BYTES = 32, 12
_MEMORY_BYTES = 80 * 1024 * 1024


class Fit(StrEnum):
    """Whether a password is the one."""

    GOOD = "good"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """It could not be told."""


def fits(blob: bytes, password: SecretStr, /) -> Fit:
    """Tell whether the password opens the repository. Takes a fifth of a second and 64 MiB: call it in a thread."""
    try:
        raw = orjson.loads(blob)
        salt, sealed = base64.b64decode(raw["uniqueID"]), base64.b64decode(raw["encryptedBlockFormat"])
        if raw["encryption"] != _CIPHER or len(sealed) <= _NONCE_BYTES:
            return Fit.UNKNOWN
        master = _master_key(raw, password=password.get_secret_value().encode(), salt=salt)
    except (ValueError, KeyError, TypeError):
        return Fit.UNKNOWN
    try:
        AESGCM(derived(master, salt=salt, purpose="AES")).decrypt(
            sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], derived(master, salt=salt, purpose="CHECKSUM")
        )
    except InvalidTag:
        return Fit.WRONG
    return Fit.GOOD


def _master_key(raw: Any, *, password: bytes, salt: bytes) -> bytes:
    """Return the key that a password and a repository make. Raises ValueError for a way that is not known here."""
    match raw["keyAlgo"]:
        case "scrypt-65536-8-1":
            return hashlib.scrypt(password, salt=salt, n=65_536, r=8, p=1, maxmem=_MEMORY_BYTES, dklen=_KEY_BYTES)
        case "pbkdf2-sha256-600000":
            return hashlib.pbkdf2_hmac("sha256", password, salt, 600_000, dklen=_KEY_BYTES)
        case other:
            message = f"unknown key derivation: {other}"
            raise ValueError(message)


def derived(master: bytes, /, *, salt: bytes, purpose: str) -> bytes:
    """Return the key for one purpose."""
    return HKDF(SHA256(), length=_KEY_BYTES, salt=salt, info=purpose.encode()).derive(master)
