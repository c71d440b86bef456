"""The audit log: who did what, when, from where, with what result. The Recorder of the API, and the resource `auditlogs` (ADR 0017).

An entry is written after what it tells of, in the same database. When that fails, what happened stays and the answer says so; the entry goes to
the log at once, as an error, and is tried again until it is stored (`sweep`).
"""

from __future__ import annotations

from collections import deque
from typing import Any

import structlog

from ..kit.clock import Clock
from ..kit.rest import READ_METHODS, Change, Docs, Documents, Outcome, Resource
from ..kit.store import Compare, Document, DuplicateKeyError, Index, StoreError
from .address import neighbourhood
from .masking import masked
from .shown import AUDIT_EXAMPLE, AuditEntryShown

COLLECTION = "auditlogs"
DAY_SECONDS = 86_400
REPEAT_SECONDS = 60.0
"""How long the same refusal of the same caller is not written again: a client that polls must not flood the log."""
MAX_REPEATS = 10_000
MAX_WAITING = 10_000
"""How many entries wait for a database that is away; older ones are in the server's log only."""
MAX_MESSAGE = 500
MAX_NAME = 200

log = structlog.get_logger(__name__)

AUDITLOGS = Resource(
    name=COLLECTION,
    title="Auditlog",
    noun="audit entry",
    unique=(),
    indexes=(
        Index("time", (("time", -1),)),
        Index("user", (("user", 1), ("time", -1))),
        Index("resource", (("resource", 1), ("resource_id", 1), ("time", -1))),
        Index("outcome", (("outcome", 1), ("time", -1))),
    ),
    methods=READ_METHODS,
    docs=Docs(shown=AuditEntryShown, example=AUDIT_EXAMPLE),
)


class AuditLog:
    """Writes entries, and forgets old ones."""

    def __init__(self, documents: Documents, *, clock: Clock, retention_days: int) -> None:
        """Take the entries' documents."""
        self._documents = documents
        self._clock = clock
        self._retention_days = retention_days
        self._waiting: deque[Document] = deque(maxlen=MAX_WAITING)
        self._refused: dict[tuple[str, ...], float] = {}

    async def record(self, change: Change, /) -> None:
        """Write an entry. Never raises."""
        if change.outcome is Outcome.REFUSED and self._is_repeated(change):
            return
        await self._store(self._documents.new(entry(change, now=self._clock.timestamp())))

    def _is_repeated(self, change: Change) -> bool:
        place = neighbourhood(change.address)
        key = (change.principal.id, place, change.operation, change.resource, change.resource_id, change.name)
        now = self._clock.monotonic()
        if now - self._refused.get(key, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return True
        if len(self._refused) >= MAX_REPEATS:
            self._refused.clear()
        self._refused[key] = now
        return False

    async def _store(self, document: Document) -> bool:
        try:
            await self._documents.collection.insert(document)
        except DuplicateKeyError:
            return True  # stored by an earlier try whose answer was lost
        except StoreError as error:
            shown = {key: document.get(key) for key in ("_id", "user", "operation", "resource", "resource_id", "name", "outcome")}
            log.error("Audit entry could not be stored; it will be tried again", reason=str(error), entry=shown)  # noqa: TRY400
            self._waiting.append(document)
            return False
        return True

    async def sweep(self) -> None:
        """Store what waits, and drop what is older than the retention."""
        for _ in range(len(self._waiting)):
            if not await self._store(self._waiting.popleft()):
                return
        end = self._clock.timestamp() - self._retention_days * DAY_SECONDS
        if dropped := await self._documents.collection.delete_many(Compare("time", "lt", end)):
            log.info("Old audit entries dropped", count=dropped, retention_days=self._retention_days)


def entry(change: Change, /, *, now: int) -> dict[str, Any]:
    """Return the fields of an entry."""
    return {
        "time": now,
        "user": change.principal.email or change.principal.kind,
        "principal": {"kind": change.principal.kind, "id": change.principal.id},
        "address": change.address,
        "request_id": change.request_id,
        "operation": change.operation,
        "resource": change.resource[:MAX_NAME],
        "resource_id": change.resource_id,
        "name": change.name[:MAX_NAME],
        "outcome": change.outcome.value,
        "message": change.message[:MAX_MESSAGE],
        "before": masked(change.before, change.declaration),
        "after": masked(change.after, change.declaration, before=change.before),
    }
