"""What a restore takes from a backup and where it puts it: the same for a restore and for the look ahead at one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..base import KubernetesName, WireModel
from .storage import StorageTarget


class RestoreScope(WireModel):
    """Which objects of a backup come back, under which names, and what happens where one exists."""

    backup_name: KubernetesName
    storage: StorageTarget
    namespaces: tuple[str, ...] = ()
    """Empty: all of the backup."""
    included_resources: tuple[str, ...] = ()
    label_selector: dict[str, str] = Field(default_factory=dict)
    namespace_map: dict[str, str] = Field(default_factory=dict)
    storage_class_map: dict[str, str] = Field(default_factory=dict)
    """Storage classes to use, by those that the backup names."""
    existing: Literal["skip", "update"] = "skip"
    """What happens to an object that exists and differs."""
    restore_volumes: bool = True
