"""Recovery points on a replica whose clock tests move, and the agents' side of their deletions, played by hand."""

from __future__ import annotations

from itertools import count
from typing import Any
from uuid import uuid4

from cloudcasa_contract.base import CommandId
from cloudcasa_contract.commands import DeleteOutput, Problem
from cloudcasa_contract.frames import Outcome, Result
from cloudcasa_server.kit.store import Document, In, eq
from cloudcasa_server.recovery_point.expiry import Expiry

from .scheduled import Scheduled

DAY = 86_400
_numbers = count(1)


async def a_point(replica: Scheduled, backup: Document, *, days: int = 1, **changes: Any) -> Document:
    """Store a READY copy that ends now and expires in so many days."""
    number = next(_numbers)
    retention = {"retainDays": days, "numAlwaysRetain": changes.pop("minimum", 0)}
    status = {"locked": changes.pop("locked", False), "complete": changes.pop("complete", True)}
    fields: dict[str, Any] = {
        "name": f"point-{number}",
        "state": "READY",
        "type": "COPY",
        "cluster": backup["cluster"],
        "cluster_name": "prod",
        "backupdef": backup["_id"],
        "backupdef_name": backup["name"],
        "objectstore": "f" * 24,
        "backup_job_id": f"job-{number}",
        "start_time": replica.now,
        "expiry_timestamp": replica.now + days * DAY,
        "retention": retention,
        "status": status,
        "message": "Backup successful",
        "backup_selection": {"all_namespaces": True},
        "backup_location": {"bucket_name": "lab", "prefix": backup["cluster"]},
        "velero": {"backup_name": f"cc-{number}"},
    }
    documents = replica.documents("backupinstances")
    return await documents.insert(documents.new(fields | changes))


async def points_of(replica: Scheduled) -> dict[str, str]:
    """Return the state of each point, by name."""
    return {point["name"]: point["state"] for point in await replica.store.collection("backupinstances").find(sort=(("start_time", 1),))}


async def deletions(replica: Scheduled) -> list[Document]:
    return await replica.store.collection("jobs").find(eq("type", "DELETE_BACKUP"), sort=(("start_time", 1), ("_id", 1)))


async def sweep(replica: Scheduled) -> None:
    """Look once at what has expired, and go through the jobs as far as they go."""
    expiry: Expiry = replica.app.state.parts.worker.expiry
    await expiry.sweep()
    await replica.run_jobs()


async def answer_deletions(replica: Scheduled, problem: Problem | None = None) -> int:
    """Let the agents of all clusters answer what they are asked to delete; return how many there were."""
    outbox = replica.app.state.parts.worker.outbox
    asked = await replica.store.collection("commands").find(In("state", ("QUEUED", "DELIVERED", "ACKED")))
    mine = [command for command in asked if command["kind"] == "backup.delete"]
    for command in mine:
        result = Result(
            message_id=uuid4().hex,
            command_id=CommandId(command["_id"]),
            outcome=Outcome.FAILED if problem else Outcome.SUCCEEDED,
            problem=problem,
            output=None if problem else DeleteOutput(),
        )
        await outbox.finish(result, cluster_id=command["cluster"])
        await replica.app.state.parts.worker.runner.jobs.wake(command["job"])
    await replica.run_jobs()
    return len(mine)


async def sweep_through(replica: Scheduled) -> None:
    """Sweep, let the agents delete what is asked, and again until nothing is asked."""
    await sweep(replica)
    while await answer_deletions(replica):
        replica.clock.tick(60)
        await sweep(replica)
