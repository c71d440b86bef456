"""An agent that does as it is told by a test: a real websocket client that speaks the contract, without a cluster behind it."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from uuid import uuid4

import websockets
import yaml
from cloudcasa_contract.base import ClusterId, CommandId
from cloudcasa_contract.commands import (
    Artifacts,
    BackupDelete,
    BackupOutput,
    BackupRun,
    DeleteOutput,
    EngineEnsure,
    EngineOutput,
    Inventory,
    InventoryCollect,
    Output,
    PreflightOutput,
    PreflightRun,
    Problem,
    PvcInfo,
    RestoreOutput,
    RestoreRun,
    RunCancel,
    RunCancelled,
    StorageEnsure,
    StorageEnsured,
    StorageProbe,
    StorageProbed,
    StorageRead,
    StorageReading,
    StorageRemove,
    StorageRemoved,
    VolumeResult,
)
from cloudcasa_contract.frames import (
    CHANNEL_PATH,
    SERVER_FRAME_ADAPTER,
    Ack,
    AgentFrame,
    Close,
    CommandFrame,
    Heartbeat,
    Hello,
    Outcome,
    Result,
    Welcome,
    encode,
)

NAMESPACES = ("default", "web", "db")


def an_inventory(*, namespaces: tuple[str, ...] = NAMESPACES) -> Inventory:
    claim = PvcInfo(namespace="web", name="data", storage_class="standard", capacity_bytes=1024, phase="Bound", driver="lab.csi")
    return Inventory(taken_at=datetime.now(UTC), kubernetes_version="v1.36.0", node_count=1, namespaces=namespaces, pvcs=(claim,))


def a_backup(*, phase: str = "Completed", **changes: Any) -> BackupOutput:
    volume = VolumeResult(namespace="web", pvc="data", method="CSISnapshot", is_data_moved=True, size_bytes=524288)
    fields: dict[str, Any] = {
        "phase": phase,
        "completed_at": datetime.now(UTC),
        "total_items": 12,
        "items_backed_up": 12,
        "artifacts": Artifacts(log="line one\nline two\n", volumes=(volume,), resources={"v1/Pod": 2}),
    }
    return BackupOutput(**(fields | changes))


def answer(command: CommandFrame) -> Output | Problem:
    """What an agent on a healthy cluster answers."""
    match command.command:
        case EngineEnsure():
            return EngineOutput(velero_version="v1.18.3", plugins=("velero.io/aws",))
        case InventoryCollect():
            return an_inventory()
        case BackupRun():
            return a_backup()
        case RestoreRun():
            return RestoreOutput(phase="Completed", total_items=5, items_restored=5)
        case RunCancel():
            return RunCancelled(is_stopped=True)
        case BackupDelete():
            return DeleteOutput()
        case StorageEnsure(storage=storage):
            return StorageEnsured(revision=storage.revision)
        case StorageProbe():
            return StorageProbed()
        case StorageRemove():
            return StorageRemoved(locations=1)
        case StorageRead():
            return StorageReading()
        case PreflightRun():
            return PreflightOutput(checked_at=datetime.now(UTC))


Answer = Callable[[CommandFrame], Output | Problem | None]


@dataclass
class ScriptedAgent:
    """One link. Commands are answered by `answers` (None: not at all); everything that came is kept."""

    url: str
    cluster_id: str
    credential: str
    answers: Answer = answer
    ssl_context: ssl.SSLContext | None = None
    running: tuple[str, ...] = ()
    protocols: tuple[int, ...] = (1,)
    capabilities: frozenset[str] = frozenset()
    instance: str = field(default_factory=lambda: uuid4().hex)
    frames: list[Any] = field(default_factory=list)
    commands: list[CommandFrame] = field(default_factory=list)
    welcome: Welcome | None = None
    close_code: int | None = None
    closed: Close | None = None
    socket: Any = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Self]:
        async with self.opened():
            await self.send(self.hello())
            task = asyncio.create_task(self._read())
            try:
                await self.until(lambda: self.welcome is not None or self.close_code is not None)
                yield self
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        headers = {"Authorization": f"Bearer {self.credential}"}
        url = self.url.replace("http", "ws", 1) + CHANNEL_PATH
        async with websockets.connect(url, additional_headers=headers, ssl=self.ssl_context, max_size=None, proxy=None) as socket:
            self.socket = socket
            yield self

    def hello(self) -> Hello:
        return Hello(
            cluster_id=ClusterId(self.cluster_id),
            protocols=self.protocols,
            instance_id=self.instance,
            agent_version="0.1.0",
            kubernetes_version="v1.36.0",
            running=tuple(map(CommandId, self.running)),
            capabilities=self.capabilities,
        )

    async def send(self, frame: AgentFrame) -> None:
        await self.socket.send(encode(frame))

    async def finish(self, command: CommandFrame, outcome: Output | Problem, *, message_id: str | None = None) -> None:
        problem, output = (outcome, None) if isinstance(outcome, Problem) else (None, outcome)
        await self.send(
            Result(
                message_id=message_id or uuid4().hex,
                command_id=command.command_id,
                outcome=Outcome.FAILED if problem else Outcome.SUCCEEDED,
                problem=problem,
                output=output,
            )
        )

    async def beat(self, **fields: Any) -> None:
        await self.send(Heartbeat(**fields))

    async def until(self, condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def command(self, kind: str, *, count: int = 1, seconds: float = 20.0) -> CommandFrame:
        await self.until(lambda: len(self.of_kind(kind)) >= count, seconds=seconds)
        return self.of_kind(kind)[count - 1]

    def of_kind(self, kind: str) -> list[CommandFrame]:
        return [command for command in self.commands if command.command.kind == kind]

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                await self._take(SERVER_FRAME_ADAPTER.validate_json(text))
                self._news.set()
        except websockets.ConnectionClosed:
            pass
        finally:
            self.close_code = self.socket.close_code or 1006
            self._news.set()

    async def _take(self, frame: Any) -> None:
        self.frames.append(frame)
        match frame:
            case Welcome():
                self.welcome = frame
            case Close():
                self.closed = frame
            case CommandFrame():
                self.commands.append(frame)
                with suppress(websockets.ConnectionClosed):  # what the server said before closing is still to be read
                    await self.send(Ack(id=frame.command_id))
                    outcome = self.answers(frame)
                    if outcome is not None:
                        await self.finish(frame, outcome)

    def acks(self) -> list[str]:
        return [frame.id for frame in self.frames if isinstance(frame, Ack)]


def bootstrap_credential(manifest: str) -> str:
    """Return the credential of a manifest, as the agent's pod would see it."""
    items = yaml.safe_load(manifest)["items"]
    secret = next(item for item in items if item["kind"] == "Secret")
    return base64.b64decode(secret["data"]["credential"]).decode()


async def eventually(look: Callable[[], Awaitable[Any]], *, seconds: float = 20.0) -> Any:
    """Return the first true answer."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.01)


def selected(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: document.get(name) for name in names}
