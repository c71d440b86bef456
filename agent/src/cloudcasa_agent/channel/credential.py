"""Where a rotated credential is kept: a port, since the cluster's Secret is another room's business, and a file for tests.

The order is what matters: a new credential is stored before it is used, so that a crash between the two leaves a good one in the store.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr


class CredentialStore(Protocol):
    """Keeps the newest credential over restarts."""

    async def load(self) -> SecretStr | None:
        """Return the stored credential, or None."""

    async def save(self, credential: SecretStr) -> None:
        """Store a credential durably."""


class FileCredentialStore:
    """A credential in a file of mode 0600."""

    def __init__(self, path: Path) -> None:
        """Use `path`, which need not exist yet."""
        self._path = path

    async def load(self) -> SecretStr | None:
        """Return the stored credential, or None."""
        return await asyncio.to_thread(self._read)

    async def save(self, credential: SecretStr) -> None:
        """Store a credential: written beside and renamed, so that a crash leaves the old or the new one."""
        await asyncio.to_thread(self._write, credential)

    def _read(self) -> SecretStr | None:
        return SecretStr(self._path.read_text(encoding="utf-8")) if self._path.is_file() else None

    def _write(self, credential: SecretStr) -> None:
        beside = self._path.with_suffix(".new")
        beside.touch(mode=0o600)
        beside.write_text(credential.get_secret_value(), encoding="utf-8")
        beside.replace(self._path)


async def candidates(*, store: CredentialStore, bootstrap: SecretStr | None) -> list[SecretStr]:
    """Return the credentials to try: the stored one first, then the manifest's, each once."""
    stored = await store.load()
    found: list[SecretStr] = []
    for credential in (stored, bootstrap):
        if credential is not None and credential.get_secret_value() and credential not in found:
            found.append(credential)
    return found
