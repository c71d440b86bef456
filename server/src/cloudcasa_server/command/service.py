"""The outbox: enqueue, claim for delivery, renew, acknowledge, finish. Every change is one compare-and-set, so replicas may share it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection as AnyCollection
from dataclasses import dataclass

from cloudcasa_contract.commands import Artifacts, BackupOutput, RestoreOutput, RunCancelled
from cloudcasa_contract.frames import Outcome, Result

from ..kit.bus import Bus
from ..kit.clock import Clock
from ..kit.ids import new_id
from ..kit.store import And, Collection, Compare, Document, DuplicateKeyError, In, Not, Store, Update, eq
from .model import COLLECTION, KEPT_SECONDS, OPEN_STATES, UNFINISHED_STATES, CommandState, Order, new_command

MAX_RUNNING = 1_000
"""Commands an agent may name as running; no agent works on so many, and a query has its limits."""
LOGS = "joblogs"
"""Logs of jobs, apart from the commands: {_id: job id, log, is_cut}."""


def cluster_topic(cluster_id: str, /) -> str:
    """Return the bus topic that tells of new commands for a cluster."""
    return f"commands.{cluster_id}"


def command_topic(command_id: str, /) -> str:
    """Return the bus topic that tells of a command's end."""
    return f"command.{command_id}"


@dataclass(frozen=True, slots=True)
class Outbox:
    """The commands of all clusters."""

    store: Store
    bus: Bus
    clock: Clock
    lease_seconds: float
    """How long a delivered command may go unmentioned (ack, heartbeat, progress) before it is delivered again."""

    @property
    def _commands(self) -> Collection:
        return self.store.collection(COLLECTION)

    def _now(self) -> float:
        return self.clock.now().timestamp()

    async def enqueue(self, order: Order, /, *, cluster_id: str, key: str, job_id: str | None = None, command_id: str | None = None) -> str:
        """Put a command in the outbox and return its id; the same key a second time returns the first one's."""
        command_id = command_id or new_id()
        document = new_command(order, command_id=command_id, cluster_id=cluster_id, key=key, job_id=job_id, created_at=self._now())
        try:
            await self._commands.insert(document)
        except DuplicateKeyError:
            existing = await self.find_by_key(key)
            if existing is None:
                raise
            command_id = str(existing["_id"])
        await self.bus.publish(cluster_topic(cluster_id), {})
        return command_id

    async def find(self, command_id: str, /) -> Document | None:
        """Return the command or None."""
        return await self._commands.get(command_id)

    async def find_by_key(self, key: str, /) -> Document | None:
        """Return the command that was enqueued under a key, or None."""
        found = await self._commands.find(eq("key", key), limit=1)
        return found[0] if found else None

    async def claim(self, cluster_id: str, /, *, owner: str) -> Document | None:
        """Take the oldest command that is due for delivery, under a lease of `owner`, or None."""
        now = self._now()
        due = And((eq("cluster", cluster_id), In("state", OPEN_STATES), Compare("lease.until", "lte", now)))
        change = Update(
            set={"state": CommandState.DELIVERED.value, "lease": {"owner": owner, "until": now + self.lease_seconds}},
            increment={"deliveries": 1},
        )
        return await self._commands.claim(due, change, sort=(("created_at", 1),))

    async def adopt(self, cluster_id: str, /, *, owner: str, running: AnyCollection[str]) -> None:
        """Start a new link: what the agent works on is leased to it, everything else that is open becomes due at once."""
        mine = And((eq("cluster", cluster_id), In("state", OPEN_STATES)))
        named = In("_id", tuple(running)[:MAX_RUNNING])
        await self._commands.update_many(And((mine, Not(named))), Update(set={"lease": {"owner": "", "until": 0.0}}))
        if running:
            await self.renew(cluster_id, running, owner=owner)

    async def renew(self, cluster_id: str, command_ids: AnyCollection[str], /, *, owner: str) -> None:
        """Prolong the leases of commands that the agent says it works on."""
        if not command_ids:
            return
        query = And((eq("cluster", cluster_id), In("_id", tuple(command_ids)[:MAX_RUNNING]), In("state", OPEN_STATES)))
        lease = {"owner": owner, "until": self._now() + self.lease_seconds}
        await self._commands.update_many(query, Update(set={"lease": lease, "state": CommandState.ACKED.value}))

    async def find_owned(self, command_id: str, /, *, cluster_id: str) -> Document | None:
        """Return the command if it is this cluster's, else None: an agent may speak of its own only."""
        command = await self.find(command_id)
        return command if command and command["cluster"] == cluster_id else None

    async def finish(self, result: Result, /, *, cluster_id: str) -> Document | None:
        """Store a result and return the closed command, also when it was closed before: with the result it got then.

        So what follows from a result may be done again, if the first time was cut short. None when the command is unknown or foreign.
        """
        log, result = _split_log(result)
        state = CommandState.DONE if result.outcome is Outcome.SUCCEEDED else CommandState.FAILED
        expected = And((eq("cluster", cluster_id), In("state", UNFINISHED_STATES)))
        command = await self.find_owned(result.command_id, cluster_id=cluster_id)
        if command is None or CommandState(command["state"]).is_final:
            return command
        if log is not None and command.get("job"):
            await self._keep_log(str(command["job"]), log)
        content = {
            "outcome": result.outcome.value,
            "problem": result.problem.model_dump(mode="json") if result.problem else None,
            "output": result.output.model_dump(mode="json") if result.output else None,
        }
        change = Update(set={"state": state.value, "result": content, "lease": {"owner": "", "until": 0.0}})
        closed = await self._commands.update(result.command_id, change, expected=expected)
        await self.bus.publish(command_topic(result.command_id), {})
        return closed or await self.find(result.command_id)

    async def _keep_log(self, job_id: str, log: Artifacts) -> None:
        document: Document = {"_id": job_id, "log": log.log, "is_cut": log.is_log_cut}
        logs = self.store.collection(LOGS)
        if not await logs.replace(document):
            try:
                await logs.insert(document)
            except DuplicateKeyError:
                await logs.replace(document)

    async def withdraw(self, cluster_id: str, /) -> None:
        """Drop every command of a cluster that is no more."""
        await self._commands.delete_many(eq("cluster", cluster_id))

    async def prune(self) -> None:
        """Drop closed commands that no job refers to and nobody will ask for any more."""
        is_closed = In("state", (CommandState.DONE.value, CommandState.FAILED.value))
        is_old = Compare("created_at", "lt", self._now() - KEPT_SECONDS)
        await self._commands.delete_many(And((eq("job", None), is_old, is_closed)))

    async def wait_done(self, command_id: str, /, *, timeout_seconds: float) -> Document | None:
        """Return the command once it is closed, or None when the time is over."""
        try:
            async with asyncio.timeout(timeout_seconds), self.bus.subscribe(command_topic(command_id)) as signal:
                while True:
                    command = await self.find(command_id)
                    if command is None or CommandState(command["state"]).is_final:
                        return command
                    await signal.receive(timeout_seconds=1.0)
        except TimeoutError:
            return None


def _split_log(result: Result) -> tuple[Artifacts | None, Result]:
    """Return the artifacts with the log, and the result without it: the log may be megabytes and is kept apart."""
    output = result.output
    run = output.run if isinstance(output, RunCancelled) else output
    if not isinstance(run, BackupOutput | RestoreOutput):
        return None, result
    slim = run.model_copy(update={"artifacts": run.artifacts.model_copy(update={"log": ""})})
    shorter = output.model_copy(update={"run": slim}) if isinstance(output, RunCancelled) else slim
    return run.artifacts, result.model_copy(update={"output": shorter})
