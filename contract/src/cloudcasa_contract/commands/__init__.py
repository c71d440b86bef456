"""What the server asks of an agent, and what the agent answers: one command model and one output model for each kind.

A command is a durable document on the server, delivered at least once; the agent makes it idempotent by labelling every object
it creates with the command's id (`COMMAND_LABEL`) and by looking there first. `kind` discriminates both unions.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from .backup import RECORD_ANNOTATION, BackupDelete, BackupOutput, BackupRun, DeleteOutput, Selection
from .cancel import RunCancel, RunCancelled
from .engine import EngineEnsure, EngineImages, EngineOutput
from .hooks import HOOK_SECONDS, MAX_HOOK_SECONDS, MAX_HOOKS, HookReport, HookResult, HookRun, HookState
from .inventory import Inventory, InventoryCollect, PvcInfo, StorageClassInfo
from .preflight import PreflightOutput, PreflightRun, StorageAddress
from .restore import RestoreOutput, RestoreRun
from .results import Artifacts, Finding, Problem, Severity, VolumeResult
from .scope import ObjectRef, RestoreScope
from .storage import (
    AzureAccess,
    StorageEnsure,
    StorageEnsured,
    StorageProbe,
    StorageProbed,
    StorageRemove,
    StorageRemoved,
    StorageTarget,
)
from .storage_read import StorageRead, StorageReading

COMMAND_LABEL = "cloudcasa.io/command-id"
"""The label, on every object that the agent creates for a command, whose value is the command's id."""

AGENT_NAMESPACE = "cloudcasa-io"
"""The namespace of the agent and of its own Velero on every client cluster. Source: seed."""

Command = Annotated[
    EngineEnsure
    | BackupRun
    | RestoreRun
    | RunCancel
    | BackupDelete
    | InventoryCollect
    | StorageEnsure
    | StorageProbe
    | StorageRemove
    | StorageRead
    | PreflightRun,
    Field(discriminator="kind"),
]
COMMAND_ADAPTER: TypeAdapter[Command] = TypeAdapter(Command)

Output = Annotated[
    EngineOutput
    | BackupOutput
    | RestoreOutput
    | RunCancelled
    | DeleteOutput
    | Inventory
    | StorageEnsured
    | StorageProbed
    | StorageRemoved
    | StorageReading
    | PreflightOutput,
    Field(discriminator="kind"),
]
OUTPUT_ADAPTER: TypeAdapter[Output] = TypeAdapter(Output)

__all__ = [
    "AGENT_NAMESPACE",
    "COMMAND_ADAPTER",
    "COMMAND_LABEL",
    "HOOK_SECONDS",
    "MAX_HOOKS",
    "MAX_HOOK_SECONDS",
    "OUTPUT_ADAPTER",
    "RECORD_ANNOTATION",
    "Artifacts",
    "AzureAccess",
    "BackupDelete",
    "BackupOutput",
    "BackupRun",
    "Command",
    "DeleteOutput",
    "EngineEnsure",
    "EngineImages",
    "EngineOutput",
    "Finding",
    "HookReport",
    "HookResult",
    "HookRun",
    "HookState",
    "Inventory",
    "InventoryCollect",
    "ObjectRef",
    "Output",
    "PreflightOutput",
    "PreflightRun",
    "Problem",
    "PvcInfo",
    "RestoreOutput",
    "RestoreRun",
    "RestoreScope",
    "RunCancel",
    "RunCancelled",
    "Selection",
    "Severity",
    "StorageAddress",
    "StorageClassInfo",
    "StorageEnsure",
    "StorageEnsured",
    "StorageProbe",
    "StorageProbed",
    "StorageRead",
    "StorageReading",
    "StorageRemove",
    "StorageRemoved",
    "StorageTarget",
    "VolumeResult",
]
