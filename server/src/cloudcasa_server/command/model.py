"""The command document, and the parts of a command that stand for something kept elsewhere. Pure.

No secret lies in the outbox: where a command needs an object store, the document names it, and the keys are put in at delivery
(payload.py). A payload is otherwise the contract's model, dumped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..kit.store import Document, Index

COLLECTION = "commands"
KEPT_SECONDS = 3600.0
"""How long a closed command that belongs to no job is kept, for whoever asks what happened."""


class CommandState(StrEnum):
    """How far a command has come."""

    QUEUED = "QUEUED"
    DELIVERED = "DELIVERED"
    ACKED = "ACKED"
    HELD = "HELD"
    """Delivered, and not to be delivered again while another command may take it over; its result still counts."""
    DONE = "DONE"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """Tell whether the command has its result."""
        return self in {CommandState.DONE, CommandState.FAILED}


OPEN_STATES = (CommandState.QUEUED.value, CommandState.DELIVERED.value, CommandState.ACKED.value)
UNFINISHED_STATES = (*OPEN_STATES, CommandState.HELD.value)


@dataclass(frozen=True, slots=True)
class StorageRef:
    """An object store as seen from a cluster, by name: `cluster_id` owns the prefix."""

    objectstore_id: str
    cluster_id: str
    is_read_only: bool = False

    @classmethod
    def of(cls, document: Document, /) -> StorageRef:
        """Return what was stored."""
        return cls(document["objectstore"], document["cluster"], is_read_only=document["read_only"])

    def document(self) -> Document:
        """Return what is stored."""
        return {"objectstore": self.objectstore_id, "cluster": self.cluster_id, "read_only": self.is_read_only}


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done: the fields of a contract command without `kind`, and without `storage`, which `storage` stands for."""

    kind: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    storage: StorageRef | None = None


def new_command(order: Order, /, *, command_id: str, cluster_id: str, key: str, job_id: str | None, created_at: float) -> Document:
    """Return the document of a queued command. `key` makes enqueueing idempotent."""
    return {
        "_id": command_id,
        "cluster": cluster_id,
        "kind": order.kind,
        "payload": dict(order.payload),
        "storage": order.storage.document() if order.storage else None,
        "key": key,
        "job": job_id,
        "state": CommandState.QUEUED.value,
        "deliveries": 0,
        "lease": {"owner": "", "until": 0.0},
        "created_at": created_at,
    }


INDEXES = (
    Index("key", (("key", 1),), unique=True),
    Index("due", (("cluster", 1), ("state", 1), ("created_at", 1))),
    Index("old", (("job", 1), ("created_at", 1))),
)
