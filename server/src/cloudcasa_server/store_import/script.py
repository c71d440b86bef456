"""The script of an IMPORT job: cluster by cluster, a few backups in each step, so that any replica goes on where one died.

Everything is found again by what it is: a recovery point by the id that follows from its backup, a cluster by its id, which is its prefix. So a step
that is done twice, and a whole import that is, change nothing the second time.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cloudcasa_contract.commands import StorageReading
from cloudcasa_contract.commands.storage_read import TOO_MUCH
from cloudcasa_contract.states import JobState

from ..job.model import FIRST_STEP, Finish, Goto, Next, Script, Wait
from ..job.service import Jobs
from ..kit.store import Document
from ..object_store.reading import Ask
from ..object_store.service import ObjectStores
from .catalogue import Catalogue
from .found import Cluster, Files, Found, Worth, look_at, record_in
from .model import CONTENTS, METADATA, READ, ClusterTally, Places, Tally, cluster_ids, object_names
from .reading import Readings, StoreSilentError
from .repository import Fit, fits

BATCH = 40
"""Backups in a step: some seconds of reading, also from a store far away."""
_KNOWN_AT_ONCE = 500
_NAMED_BY = 5
"""How many of a cluster's newest backups are asked for its name."""
_TRIES = 5
_RETRY_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class ImportScript:
    """Look at a store, and make the recovery points that are not known."""

    jobs: Jobs
    stores: ObjectStores
    readings: Readings
    catalogue: Catalogue

    def script(self) -> Script:
        """Return the steps."""
        return {FIRST_STEP: self.preflight, "look": self.look, "cluster": self.cluster, "batch": self.batch}

    async def preflight(self, job: Document, /) -> Next:
        """Begin."""
        data = {"clusters": [], "index": 0, "reads": 0, "tries": 0, "size": BATCH}
        changes: dict[str, Any] = {f"script.data.{key}": value for key, value in data.items()}
        tally = Tally(dry_run=job["script"]["data"]["dry_run"])
        begun = {"state": JobState.RUNNING.value, "import_result": tally.document()}
        return Goto("look", changes | begun, f'Looking for clusters in "{job["display_name"]}"')

    async def look(self, job: Document, /) -> Next:
        """Find the clusters in the store."""
        found = await self._read(Ask(folders=("",)), job=job, part="look")
        if not isinstance(found, StorageReading):
            return found
        data, tally = job["script"]["data"], Tally.of(job["import_result"])
        there = cluster_ids(found.folders.get("", ()))
        wanted = [one for one in there if not data["only"] or one in data["only"]]
        for missing in sorted(set(data["only"]) - set(there)):
            tally.problem(f"The store holds nothing of a cluster {missing}.", cluster=missing)
        if not wanted:
            return _nothing(job, tally)
        changes = {"script.data.clusters": wanted, "import_result": tally.document()}
        return Goto("cluster", changes | _read_on(job), f"Found {_count(len(wanted), 'cluster')}")

    async def cluster(self, job: Document, /) -> Next:
        """Begin with a cluster: its name, its repositories, and whether the password opens them."""
        data, tally = job["script"]["data"], Tally.of(job["import_result"])
        if data["index"] >= len(data["clusters"]):
            return _end(job, tally)
        places = Places(data["clusters"][data["index"]])
        folders = await self._read(Ask(folders=(places.backups, places.repositories)), job=job, part="folders")
        if not isinstance(folders, StorageReading):
            return folders
        names = object_names(folders.folders.get(places.backups, ()))
        namespaces = object_names(folders.folders.get(places.repositories, ()))
        objects = [places.file(name, METADATA) for name in names[-_NAMED_BY:]] + [places.repository(name) for name in namespaces[:1]]
        told = await self._read(Ask(objects=tuple(objects)), job=job, part="told")
        if not isinstance(told, StorageReading):
            return told
        known = await self.catalogue.cluster_name(places.cluster_id)
        name = known or _recorded_name(told, names=names, places=places)
        tally.clusters.append(ClusterTally(places.cluster_id, name, is_new=known is None, backups=len(names)))
        password = await self._fit(told, namespaces=namespaces, places=places)
        begun = {"repositories": namespaces, "password": password.value, "after": ""}
        changes = {f"script.data.{key}": value for key, value in begun.items()}
        text = f'"{name}": {_count(len(names), "backup")}'
        return Goto("batch", changes | {"import_result": tally.document()} | _read_on(job), text)

    async def _fit(self, told: StorageReading, *, namespaces: Sequence[str], places: Places) -> Fit:
        blob = told.objects.get(places.repository(namespaces[0])) if namespaces else None
        if blob is None:
            return Fit.UNKNOWN
        return await asyncio.to_thread(fits, base64.b64decode(blob), await self.stores.repository_password())

    async def batch(self, job: Document, /) -> Next:
        """Look at the next backups of a cluster, and catalogue them."""
        data, tally = job["script"]["data"], Tally.of(job["import_result"])
        mine = tally.clusters[data["index"]]
        places = Places(mine.cluster)
        listing = await self._read(Ask(folders=(places.backups,)), job=job, part="list")
        if not isinstance(listing, StorageReading):
            return listing
        left = [name for name in object_names(listing.folders.get(places.backups, ())) if name > data["after"]][:_KNOWN_AT_ONCE]
        known = await self.catalogue.known(mine.cluster, left)
        names = _taken(left, known=known, size=data["size"])
        unknown = [name for name in names if name not in known]
        read = await self._read(_ask_for(unknown, places=places), job=job, part="read")
        if not isinstance(read, StorageReading):
            return read
        if len(unknown) > 1 and TOO_MUCH in read.problems.values():
            return Goto("batch", {"script.data.size": max(1, len(unknown) // 2)} | _read_on(job))
        about = Cluster(mine.cluster, mine.name, frozenset(data["repositories"]), Fit(data["password"]))
        for name in unknown:
            found = await asyncio.to_thread(look_at, _files(name, read, places=places), cluster=about)
            await self._take(job, found, name=name, tally=tally, mine=mine)
        mine.known += len(names) - len(unknown)
        mine.looked_at += len(names)
        return await self._after_batch(job, tally, mine, last=names[-1] if names else "")

    async def _after_batch(self, job: Document, tally: Tally, mine: ClusterTally, *, last: str) -> Next:
        data = job["script"]["data"]
        if last and mine.looked_at < mine.backups:
            changes = {"script.data.after": last, "import_result": tally.document()}
            return Goto("batch", changes | _read_on(job))
        if not tally.dry_run and mine.ready + mine.incomplete + mine.known:
            mine.name = await self.catalogue.ensure_cluster(mine.cluster, mine.name, job=job)
            await self.catalogue.count(mine.cluster)
        changes = {"script.data.index": data["index"] + 1, "import_result": tally.document()}
        text = f'"{mine.name}": {mine.ready} to restore from, {mine.incomplete} incomplete, {mine.known} known, {mine.left_out} left out'
        return Goto("cluster", changes | _read_on(job), text)

    async def _take(self, job: Document, found: Found, *, name: str, tally: Tally, mine: ClusterTally) -> None:
        """Catalogue one backup, and count it."""
        setattr(mine, found.worth.value, getattr(mine, found.worth.value) + 1)
        if found.worth is not Worth.READY:
            tally.problem(found.text, cluster=mine.cluster, backup=name)
        if found.worth is Worth.LEFT_OUT or tally.dry_run:
            return
        name_now = await self.catalogue.ensure_cluster(mine.cluster, mine.name, job=job)
        mine.name = name_now
        if text := await self.catalogue.add(found, cluster_name=name_now, job=job):
            setattr(mine, found.worth.value, getattr(mine, found.worth.value) - 1)
            mine.known += 1
            tally.problem(text, cluster=mine.cluster, backup=name)

    async def _read(self, ask: Ask, *, job: Document, part: str) -> StorageReading | Next:
        """Return what was asked for, or what the step does instead: it waits for an agent, tries again, or gives up."""
        data = job["script"]["data"]
        if not (ask.folders or ask.listings or ask.objects):
            return StorageReading()
        store = await self.stores.documents.get(data["objectstore"])
        try:
            return await self.readings.read(ask, job=job, store=store, part=f"{part}:{data['reads']}") or Wait()
        except StoreSilentError as error:
            if data["tries"] < _TRIES and not store.get("private"):
                again = {"script.data.tries": data["tries"] + 1}
                return Wait(_RETRY_SECONDS, again, f"Trying again: {error.end.message}")
            return replace(error.end, message=f"{error.end.message} What was imported stays; import again to go on.")


def _read_on(job: Document) -> dict[str, Any]:
    """Return what tells the questions of the next step from those before it."""
    return {"script.data.reads": job["script"]["data"]["reads"] + 1, "script.data.tries": 0}


def _taken(left: Sequence[str], *, known: Mapping[str, str] | set[str], size: int) -> list[str]:
    """Return the next names: as many unknown ones as a step looks at, with the known ones between them."""
    taken: list[str] = []
    unknown = 0
    for name in left:
        if name not in known:
            if unknown == size:
                break
            unknown += 1
        taken.append(name)
    return taken


def _ask_for(names: Sequence[str], *, places: Places) -> Ask:
    return Ask(
        listings=tuple(places.folder(name) for name in names),
        objects=tuple(places.file(name, ending) for name in names for ending in READ),
    )


def _files(name: str, read: StorageReading, *, places: Places) -> Files:
    keys = frozenset(read.listings.get(places.folder(name), ()))
    endings = {ending: places.file(name, ending) for ending in (*READ, CONTENTS)}
    return Files(
        name=name,
        there=frozenset(ending for ending, key in endings.items() if key in keys),
        content={ending: base64.b64decode(read.objects[key]) for ending, key in endings.items() if key in read.objects},
        problems={ending: read.problems[key] for ending, key in endings.items() if key in read.problems},
    )


def _recorded_name(told: StorageReading, *, names: Sequence[str], places: Places) -> str:
    """Return the name that the newest backup recorded; one without records is called by its id."""
    for name in reversed(names[-_NAMED_BY:]):
        content = told.objects.get(places.file(name, METADATA))
        record = record_in(base64.b64decode(content), cluster_id=places.cluster_id) if content else None
        if record:
            return record.cluster.name
    return f"cluster {places.cluster_id}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _nothing(job: Document, tally: Tally) -> Finish:
    text = (
        f'There is nothing to import: the object store "{job["display_name"]}" holds no backups of this product below its prefix.'
        if not tally.problem_count
        else " ".join(each["text"] for each in tally.problems[:5])
    )
    return Finish(JobState.FAILED, text, {"import_result": tally.document()}, reason="import_nothing_found")


def _end(job: Document, tally: Tally) -> Finish:
    points, clusters = _count(tally.sum("ready"), "recovery point"), _count(len(tally.clusters), "cluster")
    verb = "Would import" if tally.dry_run else "Imported"
    parts = [f'{verb} {points} of {clusters} from "{job["display_name"]}"']
    for what, text in (("known", "known already"), ("incomplete", "incomplete, as PENDING"), ("left_out", "left out")):
        if number := tally.sum(what):
            parts.append(f"{number} {text}")
    message, changes = f"{'; '.join(parts)}.", {"import_result": tally.document()}
    if not tally.problem_count:
        return Finish(JobState.COMPLETED, message, changes)
    is_password = any("repository password than" in each["text"] for each in tally.problems)
    first = tally.problems[0]
    where = first["backup"] or first["cluster"]
    return Finish(
        JobState.PARTIAL,
        f"{message} {where}: {first['text']}",
        changes,
        reason="import_password_wrong" if is_password else "import_incomplete",
    )
