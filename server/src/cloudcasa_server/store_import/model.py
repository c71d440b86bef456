"""What a client asks of an import, where things lie in a store, and how an import is doing. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from pydantic import Field

from ..kit.rest import ResourceModel
from ..kit.rest.types import Reference
from ..kit.store import Document

MAX_PROBLEMS = 200
"""Named one by one; more are counted."""
_CLUSTER = re.compile(r"[0-9a-f]{24}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class ImportRequest(ResourceModel):
    """The body of the action `import`."""

    dry_run: bool = False
    """Look only: the job says what would be imported, and changes nothing."""
    clusters: Annotated[list[Reference], Field(max_length=1_000)] = Field(default_factory=list)
    """Ids of clusters as they stand in the store. Empty: all that are found."""
    keep_days: Annotated[int, Field(ge=0, le=3_650)] = 7
    """How many days from now on what is imported is kept at least, also when its time is over: nothing goes before anybody has looked at it."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a cluster's things lie, below the store's own prefix. Source: architecture.md, decision 7; velero v1.18.3 object_store_layout.go."""

    cluster_id: str

    @property
    def backups(self) -> str:
        """Return the prefix of the backups."""
        return f"{self.cluster_id}/backups/"

    @property
    def repositories(self) -> str:
        """Return the prefix of the repositories with the data of volumes, one for each namespace."""
        return f"{self.cluster_id}/kopia/"

    def repository(self, namespace: str) -> str:
        """Return the key of what a repository says about itself."""
        return f"{self.repositories}{namespace}/kopia.repository"

    def folder(self, backup: str) -> str:
        """Return the prefix of one backup."""
        return f"{self.backups}{backup}/"

    def file(self, backup: str, ending: str) -> str:
        """Return the key of one file of a backup: `velero-backup.json`, or an ending."""
        return f"{self.folder(backup)}{ending if ending == METADATA else f'{backup}{ending}'}"


METADATA = "velero-backup.json"
CONTENTS = ".tar.gz"
RESULTS = "-results.gz"
VOLUMES = "-volumeinfo.json.gz"
RESOURCES = "-resource-list.json.gz"
READ = (METADATA, RESULTS, VOLUMES, RESOURCES)


def cluster_ids(folders: Iterable[str], /) -> list[str]:
    """Return those folders of a store that can be clusters."""
    return sorted(name for name in folders if _CLUSTER.fullmatch(name))


def object_names(folders: Iterable[str], /) -> list[str]:
    """Return those folders that can be names in Kubernetes; whatever else somebody put there is not ours."""
    return sorted(name for name in folders if _NAME.fullmatch(name))


@dataclass
class ClusterTally:
    """How the import of one cluster is doing."""

    cluster: str
    name: str
    is_new: bool
    """This server did not know it."""
    backups: int = 0
    """Found in the store."""
    looked_at: int = 0
    ready: int = 0
    """Imported (dry run: would be), to be restored from."""
    incomplete: int = 0
    """Imported as PENDING: something that a restore needs is missing."""
    known: int = 0
    """Nothing to do: their recovery points are there."""
    left_out: int = 0
    """No recovery point can be made of them."""


@dataclass
class Tally:
    """How an import is doing: what its job shows as `import_result`."""

    dry_run: bool
    clusters: list[ClusterTally] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    problem_count: int = 0

    @classmethod
    def of(cls, document: Mapping[str, Any], /) -> Tally:
        """Return what a job says."""
        clusters = [ClusterTally(**each) for each in document["clusters"]]
        return cls(document["dry_run"], clusters, list(document["problems"]), document["problem_count"])

    def document(self) -> Document:
        """Return what is stored and shown."""
        return asdict(self)

    def problem(self, text: str, *, cluster: str = "", backup: str = "") -> None:
        """Note what went wrong, where."""
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append({"cluster": cluster, "backup": backup, "text": text})

    def sum(self, what: str) -> int:
        """Return a count over all clusters."""
        return sum(getattr(each, what) for each in self.clusters)
