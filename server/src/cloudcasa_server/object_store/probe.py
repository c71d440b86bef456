"""The proof that a store can be used: what every kind's probe shares. Called within a request, so under one budget for all its steps.

The clients of the clouds block, so a probe runs in a thread; Terraform's client gives up after 10 s (rest-api.md 1.11).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from .reading import Readable

CONNECT_SECONDS = 2.5
READ_SECONDS = 4.0
MAX_PROBES = 16
"""Probes at a time; one more waits within its budget."""


class ProbeError(Exception):
    """The store refused or could not be reached. `field` is the dotted field to blame, the text the sentence."""

    def __init__(self, text: str, *, field: str) -> None:
        """Remember whom to blame."""
        super().__init__(text)
        self.text = text
        self.field = field


class Target(Readable, Protocol):
    """A store to try out or to read: providers/ has one for each kind."""

    @property
    def url(self) -> str:
        """Return the address as it appears in sentences."""

    def probe(self) -> None:
        """List, write, read and delete; leave nothing behind. Blocks. Raises ProbeError."""


class Probe(Protocol):
    """Try a store out."""

    async def __call__(self, target: Target, /) -> None:
        """Return when the store can be used. Raises ProbeError."""


@dataclass(frozen=True, slots=True)
class TimedProbe:
    """Probe a store within a budget, in threads of its own: stores that never answer must not keep others from theirs."""

    budget_seconds: float
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(MAX_PROBES, thread_name_prefix="probe"), repr=False)

    async def __call__(self, target: Target, /) -> None:
        """Return when the store can be used. Raises ProbeError."""
        try:
            async with asyncio.timeout(self.budget_seconds):
                await asyncio.get_running_loop().run_in_executor(self._threads, target.probe)
        except TimeoutError as error:
            raise unreachable(target.url, f"it did not answer within {self.budget_seconds:.0f} seconds") from error


def unreachable(url: str, why: str) -> ProbeError:
    """Return the error of an address where no store answers; clients look for its first words (rest-api.md 1.10)."""
    return ProbeError(f'Could not connect to the endpoint URL: "{url}": {why}.', field="s3provider.endpoint")


@contextmanager
def trust(ca_pem: str | None, *, skip_verification: bool) -> Iterator[bool | str]:
    """Give what the clouds' clients take as `verify`: no, as the system does, or the file of a CA, which is there for this long."""
    if skip_verification or not ca_pem:
        yield not skip_verification
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as ca_file:
        ca_file.write(ca_pem)
        ca_file.flush()
        yield ca_file.name


UNTRUSTED = "its TLS certificate is not trusted; give its CA in ca_pem or set skip_tls_certificate_validation"


def refused(what: str, code: str) -> ProbeError:
    """Return the error of a store that answers and refuses; clients look for "credentials and permissions"."""
    return ProbeError(
        f"Cannot access {what} ({code or 'refused'}). Check the credentials and permissions:"
        " listing, writing, reading and deleting objects must be allowed.",
        field="s3provider.credentials",
    )
