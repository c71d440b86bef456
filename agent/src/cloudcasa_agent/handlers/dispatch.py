"""Runs commands side by side, each once: a command that is running is only acknowledged, one that is done is answered again.

A handler's AgentError is an answer; anything else is our bug, logged with its traceback and answered FAILED `agent-error`. While
the Kubernetes API is away or starts, the handler begins again and again: by the command's label it finds how far it came.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping

import structlog
from cloudcasa_contract.base import CommandId
from cloudcasa_contract.commands import BackupOutput, Command, Output, Problem, RestoreOutput, RunCancelled
from cloudcasa_contract.frames import MAX_FRAME_BYTES, CommandFrame, Heartbeat, Outcome, Result, UnknownCommandFrame, encode

from cloudcasa_agent.channel import Outbox
from cloudcasa_agent.kit.errors import AgentError
from cloudcasa_agent.kit.logging import get_logger
from cloudcasa_agent.kit.timeout import Timeout
from cloudcasa_agent.kube import KubeError, KubeUnavailableError
from cloudcasa_agent.kube.errors import ForbiddenError

from .context import Context, Engine

_BUG = Problem(
    slug="agent-error",
    text="The agent failed on this command because of a fault of its own.",
    remedy="Look for the traceback in the agent's log, and report it.",
)
_PATIENCE: Mapping[type[KubeError], float] = {KubeUnavailableError: 300.0, ForbiddenError: 30.0}
"""Seconds. An API server that starts refuses what it may do a moment later, when it has read the rights."""
_CALM_SECONDS = 60.0
"""An attempt that lasted so long had no trouble before its own."""
_KNOWN_KINDS = frozenset(
    {
        "engine.ensure",
        "backup.run",
        "restore.run",
        "run.cancel",
        "restore.run.2",
        "backup.delete",
        "inventory.collect",
        "preflight.run",
        "storage.ensure",
        "storage.probe",
        "storage.remove",
    }
)
_log = get_logger("handlers")

Handle = Callable[[Command, Context], Awaitable[Output]]
OnAck = Callable[[str], None]
Ended = BackupOutput | RestoreOutput


class Dispatcher:
    """The commands of this process."""

    def __init__(
        self,
        *,
        engine: Engine,
        outbox: Outbox,
        tasks: asyncio.TaskGroup,
        handle: Handle,
        on_ack: OnAck = lambda _: None,
        retry_seconds: float = 3.0,
    ) -> None:
        """Run commands in `tasks` with `handle`; `on_ack` learns which messages the server holds."""
        self._engine = engine
        self._outbox = outbox
        self._tasks = tasks
        self._handle = handle
        self._on_ack = on_ack
        self._retry_seconds = retry_seconds
        self._running: dict[CommandId, asyncio.Task[None]] = {}

    @property
    def running(self) -> tuple[CommandId, ...]:
        """Return the commands that are being worked on."""
        return tuple(self._running)

    def on_command(self, frame: CommandFrame | UnknownCommandFrame, /) -> None:
        """Take a command: acknowledge it, and run it unless it is running or done."""
        command_id = frame.command_id
        self._outbox.put_ack(command_id)
        if command_id in self._running or self._outbox.resend_result(command_id):
            return
        if isinstance(frame, UnknownCommandFrame):
            self._outbox.put_message(_refusal(frame))
            return
        _log.info("Command taken", command_id=command_id, kind=frame.command.kind, delivery=frame.delivery)
        self._running[command_id] = self._tasks.create_task(self._run(frame), name=f"command-{command_id}")

    def on_ack(self, message_id: str, /) -> None:
        """Learn that the server holds a message."""
        self._on_ack(message_id)

    def heartbeat(self) -> Heartbeat:
        """Return what the next heartbeat says."""
        return Heartbeat(running=self.running, engine_problem=self._engine.problem)

    async def stop(self) -> None:
        """Give up what runs: the server delivers it again, and the objects on the cluster say how far it came."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def give_up(self, command_id: CommandId, /) -> None:
        """Stop a command without a result; another one takes over what it made. Returns when it has stopped."""
        if task := self._running.get(command_id):
            _log.info("Command given up", given_up=command_id)
            task.cancel()
            await asyncio.wait([task])

    async def _run(self, frame: CommandFrame) -> None:
        command_id = frame.command_id
        try:
            with structlog.contextvars.bound_contextvars(command_id=command_id):
                result = await self._result(frame)
            self._outbox.put_message(result)
        finally:
            del self._running[command_id]

    async def _result(self, frame: CommandFrame) -> Result:
        context = Context(engine=self._engine, command_id=frame.command_id, tell=self._outbox.put_progress, stop=self.give_up)
        try:
            output = await self._patiently(frame.command, context=context)
        except AgentError as error:
            _log.warning("Command failed", kind=frame.command.kind, slug=error.slug, reason=error.text)
            return _failure(frame.command_id, problem=error.as_problem())
        except Exception:  # noqa: BLE001 - a fault in one handler must not end the process
            _log.exception("Command failed on a fault of ours", kind=frame.command.kind)
            return _failure(frame.command_id, problem=_BUG)
        _log.info("Command done", kind=frame.command.kind)
        return fit(Result(message_id=_message_id(), command_id=frame.command_id, outcome=Outcome.SUCCEEDED, output=output))

    async def _patiently(self, command: Command, *, context: Context) -> Output:
        """Handle the command, anew after trouble that mends itself, for as long as `_PATIENCE` says from the first of it."""
        trouble = Timeout(0.0)
        while True:
            attempt = Timeout(_CALM_SECONDS)
            try:
                return await self._handle(command, context)
            except (KubeUnavailableError, ForbiddenError) as error:
                if attempt.is_over or not trouble.seconds:
                    trouble = Timeout(_PATIENCE[type(error)])
                    _log.warning("Command waits for the Kubernetes API", kind=command.kind, reason=error.text)
                if trouble.is_over:
                    raise
                context.drive().say(phase="Waiting", activity="Waiting for the cluster's API.")
            await asyncio.sleep(self._retry_seconds)


def fit(result: Result, /) -> Result:
    """Return the result so that it fits into a frame: a giant list of resources or volumes gives way, and is named missing."""
    output = result.output
    if output is None or len(encode(result)) < MAX_FRAME_BYTES - 1024:
        return result
    if isinstance(output, RunCancelled) and output.run is not None:
        return result.model_copy(update={"output": output.model_copy(update={"run": _slim(output.run)})})
    return result.model_copy(update={"output": _slim(output)}) if isinstance(output, BackupOutput | RestoreOutput) else result


def _slim(output: Ended) -> Ended:
    missing = (*output.artifacts.missing, "Log and volumes: too large to be sent.")
    smaller = output.artifacts.model_copy(update={"log": "", "volumes": (), "missing": missing})
    return output.model_copy(update={"artifacts": smaller})


def _refusal(frame: UnknownCommandFrame) -> Result:
    kind = str(frame.command.get("kind", ""))
    _log.warning("Command not understood", command_id=frame.command_id, kind=kind)
    if kind in _KNOWN_KINDS:
        problem = Problem(
            slug="command-invalid", text=f'The agent could not read the command "{kind}".', remedy="Bring the agent up to date."
        )
        return _failure(frame.command_id, problem=problem)
    problem = Problem(
        slug="command-unsupported", text=f'This agent does not know the command "{kind}".', remedy="Bring the agent up to date."
    )
    return Result(message_id=_message_id(), command_id=frame.command_id, outcome=Outcome.UNSUPPORTED, problem=problem)


def _failure(command_id: CommandId, *, problem: Problem) -> Result:
    return Result(message_id=_message_id(), command_id=command_id, outcome=Outcome.FAILED, problem=problem)


def _message_id() -> str:
    return uuid.uuid4().hex
