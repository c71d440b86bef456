"""The frames of the one websocket between an agent and the server: who says what, and what must be answered.

    agent                                server
    hello (versions, capabilities)  ->
                                    <-   welcome (version chosen, heartbeat, rotated credential) | close
    heartbeat every n s             ->
                                    <-   command (id, delivery number)
    ack (the command's id)          ->                      the agent has it; it is not sent again while this link and lease live
    progress (latest wins)          ->                      renews the command's lease; may be lost
    result | report (message id)    ->                      stored first, acknowledged after
                                    <-   ack (the message's id)        what was not acknowledged is sent again after a reconnect

A reader ignores unknown fields; a frame of unknown `type` is ignored and logged. Shapes after Prefect's worker channel (anchors.md F).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from .base import ClusterId, CommandId, WireModel, WireSecret
from .commands import Command, Inventory, Output, Problem

PROTOCOL_VERSIONS: tuple[int, ...] = (1,)
"""The versions this code speaks, oldest first. Both sides agree on the highest they share."""

CHANNEL_PATH = "/api/v1/agent/channel"
"""Where the server accepts the websocket, on the same host and port as the API."""

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Larger frames are refused by both sides (websocket close code 1009)."""

HEARTBEAT_SECONDS = 15.0
"""How often an agent is heard of. architecture.md 4, Liveness."""

SILENCE_SECONDS = 45.0
"""A cluster whose agent has been silent for so long is PENDING."""


class CloseReason(StrEnum):
    """Why a side ends the link. `is_terminal` ones must not be tried again without an operator's doing."""

    UNAUTHORIZED = "unauthorized"
    """The credential is unknown or revoked: apply the manifest again."""
    CLUSTER_DELETED = "cluster-deleted"
    PROTOCOL_UNSUPPORTED = "protocol-unsupported"
    SUPERSEDED = "superseded"
    """A newer link of the same cluster took over."""
    PROTOCOL_ERROR = "protocol-error"
    SHUTTING_DOWN = "shutting-down"
    SILENT = "silent"
    """No heartbeat within the time agreed."""
    UNAVAILABLE = "unavailable"
    """The server cannot serve now (its database is away)."""

    @property
    def is_terminal(self) -> bool:
        """Tell whether a new attempt cannot succeed by itself."""
        return self in _TERMINAL

    @property
    def code(self) -> int:
        """Return the websocket close code: 4000-4099 retryable, 4100-4199 terminal."""
        position = list(CloseReason).index(self)
        return (4100 if self.is_terminal else 4000) + position


_TERMINAL = frozenset({CloseReason.UNAUTHORIZED, CloseReason.CLUSTER_DELETED, CloseReason.PROTOCOL_UNSUPPORTED})


class Capability(StrEnum):
    """What an agent can do beyond the protocol. Unknown ones are kept as text by the server."""

    VELERO_PRO = "velero-pro"
    CLOUD = "cloud"
    PREFLIGHT = "preflight"
    """It looks the cluster over on request."""


class Hello(WireModel):
    """The agent's first frame."""

    type: Literal["hello"] = "hello"
    protocols: tuple[int, ...] = PROTOCOL_VERSIONS
    cluster_id: ClusterId
    instance_id: str
    """New for every process, so that the server can tell a restart from a reconnect."""
    agent_version: str
    kubernetes_version: str = ""
    platform: str = "other"
    capabilities: frozenset[str] = frozenset()
    running: tuple[CommandId, ...] = ()
    """Commands this process works on: not delivered again."""


class Welcome(WireModel):
    """The server's answer to hello."""

    type: Literal["welcome"] = "welcome"
    protocol: int
    server_version: str
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    credential: WireSecret | None = None
    """A new credential: store it before using it; the old one stays good until the new one was seen."""


class Heartbeat(WireModel):
    """The agent lives, and works on these commands: their leases are renewed."""

    type: Literal["heartbeat"] = "heartbeat"
    running: tuple[CommandId, ...] = ()
    engine_problem: Problem | None = None
    """What keeps the engine from working now (foreign Velero, Velero not ready); None: it works or is not installed yet."""


class CommandFrame(WireModel):
    """A command for the agent. The same id may come more than once."""

    type: Literal["command"] = "command"
    command_id: CommandId
    delivery: int = Field(ge=1)
    command: Command


class UnknownCommandFrame(WireModel):
    """What a receiver makes of a command frame whose command it does not know, so that it can answer UNSUPPORTED."""

    type: Literal["command"] = "command"
    command_id: CommandId
    delivery: int = 1
    command: dict[str, Any]


class Ack(WireModel):
    """The receiver holds the message with this id (or the command), durably where it has a store."""

    type: Literal["ack"] = "ack"
    id: str


class VolumeProgress(WireModel):
    """How far the data of one PVC is."""

    namespace: str
    pvc: str
    phase: str
    bytes_total: int = 0
    bytes_done: int = 0


class Progress(WireModel):
    """How far a command is. Only the latest counts."""

    type: Literal["progress"] = "progress"
    command_id: CommandId
    phase: str = ""
    """Velero's phase, or what is being waited for."""
    activity: str = ""
    """One line for people, when something worth telling happened."""
    items_total: int = 0
    items_done: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    volumes: tuple[VolumeProgress, ...] = ()


class Outcome(StrEnum):
    """How a command ended. A Velero backup that ended Failed is SUCCEEDED here with its phase in the output: the command was done."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNSUPPORTED = "UNSUPPORTED"


class Result(WireModel):
    """The end of a command."""

    type: Literal["result"] = "result"
    message_id: str
    command_id: CommandId
    outcome: Outcome
    problem: Problem | None = None
    output: Output | None = None


class Report(WireModel):
    """What the agent tells unasked."""

    type: Literal["report"] = "report"
    message_id: str
    inventory: Inventory | None = None


class Close(WireModel):
    """The last frame of a side that ends the link."""

    type: Literal["close"] = "close"
    reason: CloseReason
    text: str = ""


AgentFrame = Annotated[Hello | Heartbeat | Ack | Progress | Result | Report | Close, Field(discriminator="type")]
"""What an agent may send."""
ServerFrame = Annotated[Welcome | CommandFrame | Ack | Close, Field(discriminator="type")]
"""What a server may send."""

AGENT_FRAME_ADAPTER: TypeAdapter[AgentFrame] = TypeAdapter(AgentFrame)
SERVER_FRAME_ADAPTER: TypeAdapter[ServerFrame] = TypeAdapter(ServerFrame)


def encode(frame: AgentFrame | ServerFrame, /) -> str:
    """Return the frame as one line of JSON; secrets are in clear, so the text goes to the socket and nowhere else."""
    return frame.model_dump_json(exclude_none=True)


def choose_protocol(offered: tuple[int, ...], /) -> int | None:
    """Return the highest protocol version that both sides speak, or None."""
    return max(set(offered) & set(PROTOCOL_VERSIONS), default=None)
