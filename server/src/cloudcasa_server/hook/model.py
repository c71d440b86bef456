"""The application hook as clients set it. Pure. Source: rest-api.md 2.5."""

from __future__ import annotations

import json
import shlex
from enum import StrEnum
from typing import Annotated

from cloudcasa_contract.commands import MAX_HOOK_SECONDS
from pydantic import AfterValidator, Field

from ..kit.rest import Name, Reference, ResourceModel
from .labels import MAX_KEYS, check_labels

COLLECTION = "kubehooks"
TEMPLATES = "kubehooktemplates"
MAX_COMMAND = 16_384
MAX_ITEMS = 50


class HookType(StrEnum):
    """Where a hook may be used."""

    PRE_BACKUP = "PRE_BACKUP"
    POST_BACKUP = "POST_BACKUP"
    POST_RESTORE = "POST_RESTORE"
    COMMON = "COMMON"


def arguments(command: str, /) -> list[str]:
    """Return what is run: the items of a JSON array, else the words of the line, with quotes as in a shell. Raises ValueError.

    No shell is between: who wants one says `/bin/sh -c '…'`.
    """
    if command.lstrip().startswith("["):
        words: list[str] = json.loads(command)
        if not all(isinstance(word, str) for word in words):
            raise ValueError("a JSON array of strings was expected")
    else:
        words = shlex.split(command)
    if not words or not words[0]:
        raise ValueError("it is empty")
    return words


def _check_command(command: str) -> str:
    try:
        arguments(command)
    except (ValueError, RecursionError) as e:
        message = f"The command cannot be read: {e}. Give one line, or a JSON array of words."
        raise ValueError(message) from e
    return command


class Target(ResourceModel):
    """One command, in one container of each matching pod."""

    container: str | None = Field(default=None, max_length=63)
    """None: the first container of the pod."""
    command: Annotated[str, Field(max_length=MAX_COMMAND), AfterValidator(_check_command)]
    timeout_seconds: Annotated[int, Field(ge=1, le=MAX_HOOK_SECONDS)] | None = None
    """How long it may take. None: 300 seconds."""
    wait_for_ready: bool | None = None
    """After a restore: wait until the container is ready, and not only running. None: yes."""


class HookRule(ResourceModel):
    """Which pods, and what to run there."""

    labels: Annotated[dict[str, str], Field(min_length=1, max_length=MAX_KEYS), AfterValidator(check_labels)]
    """Values separated by commas mean OR, several keys AND."""
    target: list[Target] = Field(min_length=1, max_length=MAX_ITEMS)


class AppHook(ResourceModel):
    """What a client sets on a hook."""

    name: Name
    hook_type: HookType = Field(default=HookType.COMMON, strict=False)
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    post_hook: Reference | None = None
    """What undoes it: used after the snapshot."""
    hook: list[HookRule] = Field(min_length=1, max_length=MAX_ITEMS)


class HookReference(ResourceModel):
    """Hooks to run in some namespaces, as backups and restores name them."""

    template: bool = False
    namespaces: list[str] = Field(default_factory=list)
    hooks: list[Reference] = Field(default_factory=list, max_length=MAX_ITEMS)
