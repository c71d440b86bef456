"""Reads by _id gathered into one call: those that arrive while the calls before are under way go out together.

A call to a database costs the same for one document as for twenty, mostly in the driver and on the wire. A read alone goes out at once, so
nothing waits for company; and every read starts after it was asked for, so it sees whatever was written before. Used by the mongo adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from copy import deepcopy

from .port import Document

PARALLEL = 2
"""Calls under way at once; more would only make each smaller."""
MAX_IDS = 100
"""Largest number of documents asked for in one call: a few MiB at most."""

Fetch = Callable[[Sequence[str]], Awaitable[list[Document]]]


class Gathered:
    """The reads of one collection."""

    def __init__(self, fetch: Fetch) -> None:
        """Take what returns the documents of some ids."""
        self._fetch = fetch
        self._waiting: dict[str, list[asyncio.Future[Document | None]]] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def get(self, document_id: str, /) -> Document | None:
        """Return the document or None."""
        future: asyncio.Future[Document | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(document_id, []).append(future)
        self._send()
        return await future

    def _send(self) -> None:
        while self._waiting and len(self._calls) < PARALLEL:
            wanted = {document_id: self._waiting.pop(document_id) for document_id in list(self._waiting)[:MAX_IDS]}
            call = asyncio.get_running_loop().create_task(self._answer(wanted))
            self._calls.add(call)
            call.add_done_callback(self._sent)

    def _sent(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._send()

    async def _answer(self, wanted: dict[str, list[asyncio.Future[Document | None]]]) -> None:
        try:
            found = {document["_id"]: document for document in await self._fetch(tuple(wanted))}
        except BaseException as error:
            for future in (one for futures in wanted.values() for one in futures):
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for document_id, futures in wanted.items():
            _hand_out(found.get(document_id), futures)


def _hand_out(document: Document | None, futures: Sequence[asyncio.Future[Document | None]]) -> None:
    """Give each reader a document of its own, since readers change what they get."""
    for number, future in enumerate(futures):
        if not future.done():
            future.set_result(document if number == 0 else deepcopy(document))
