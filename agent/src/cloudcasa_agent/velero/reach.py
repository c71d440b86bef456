"""Can the cluster reach an object store, and what does its clock say? One request without keys: any answer is one, also a refusal."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from cloudcasa_contract.commands import Finding, StorageAddress

from .findings import clock_findings, degrades

_SECONDS = 10.0


async def find_unreachable(stores: Iterable[StorageAddress], /) -> tuple[Finding, ...]:
    """Return what is in the way to each store."""
    found = await asyncio.gather(*(_look(store) for store in stores))
    return tuple(finding for findings in found for finding in findings)


async def _look(store: StorageAddress) -> list[Finding]:
    try:
        date = await _date(store)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        reason = str(error) or type(error).__name__
        text = f'The cluster cannot reach object store "{store.name}" at {store.endpoint}: {reason}.'
        remedy = "Check name resolution, network policies, proxies and the certificate's authority, as seen from the cluster's pods."
        return [degrades("storage-unreachable", text, remedy)]
    return list(clock_findings(other=date, now=datetime.now(UTC), whose=f'object store "{store.name}"'))


async def _date(store: StorageAddress) -> datetime | None:
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(store.endpoint, ssl=_trust(store), allow_redirects=False) as answer,
    ):
        return _parsed(answer.headers.get("Date", ""))


def _trust(store: StorageAddress) -> ssl.SSLContext | bool:
    if store.skip_tls_verification:
        return False
    context = ssl.create_default_context()
    if store.ca_pem:
        context.load_verify_locations(cadata=store.ca_pem)
    return context


def _parsed(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
