"""What definitions run by: their targets, read together, and the marks that changes leave for the scheduler.

A mark is written before the change that it announces, or with it: a definition that is being changed is never fired as it was or half changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..kit.clock import Clock
from ..kit.store import And, Document, Exists, In, Or, Query, Store, Update, eq
from .plan import FIELD, touched
from .target import policy_of
from .timetable import Timetable, timetable_of

DEFINITIONS = "kubebackups"
OFFLOADS = "kubeoffloads"
POLICIES = "policies"
_RACES = 20


@dataclass(frozen=True, slots=True)
class Target:
    """What fires a definition, and what it runs."""

    table: Timetable | None = None
    offload: Document | None = None
    problem: str = ""
    """Why the policy that fires it cannot be read; empty when it can."""


@dataclass(frozen=True, slots=True)
class Schedules:
    """The schedules of all definitions."""

    store: Store
    clock: Clock
    settle_seconds: float
    """For how long a definition that was changed is left alone, since clients change it in several calls."""
    jitter_seconds: int = 0

    def now(self) -> float:
        """Return the time as seconds since 1970."""
        return self.clock.now().timestamp()

    async def marked(self, backup: Document, /) -> Document:
        """Return a definition that is about to be stored with its mark and its next run."""
        record = touched(backup.get(FIELD) or {}, now=self.now(), settle_seconds=self.settle_seconds)
        (target,) = (await self.targets([backup])).values()
        return backup | {FIELD: record, "status": with_next_run(backup.get("status") or {}, self.next_run(target, backup["_id"]))}

    def next_run(self, target: Target, seed: str) -> int | None:
        """Return when a definition runs next."""
        due = target.table.next(self.now()) if target.table else None
        return due.at + target.table.delay(due.at, seed=seed) if due and target.table else None

    async def touch(self, backup_ids: Iterable[str | None], /) -> None:
        """Mark definitions whose copy is about to change."""
        backups = self.store.collection(DEFINITIONS)
        for backup_id in sorted({one for one in backup_ids if one}):
            for _ in range(_RACES):
                backup = await backups.get(backup_id)
                if backup is None:
                    break
                before = backup.get(FIELD)
                record = touched(before or {}, now=self.now(), settle_seconds=self.settle_seconds)
                if await backups.update(backup_id, Update(set={FIELD: record}), expected=eq(FIELD, before)) is not None:
                    break

    async def touch_policy(self, policy_id: str, /, *, is_done: bool) -> None:
        """Mark the definitions of a policy that is about to change; when that is done they need not settle.

        One that lacks its mark by then was judged in between, by what the policy was: it is marked anew.
        """
        now = self.now()
        users = Or((eq("policy", policy_id), eq("copy_policy", policy_id)))
        is_changing = f"{FIELD}.changed_at"
        at = now if is_done else now + self.settle_seconds
        if is_done:
            await self._mark(And((users, eq(f"{FIELD}.by", policy_id))), {f"{FIELD}.due_at": at})
        marks = {is_changing: now, f"{FIELD}.since": now, f"{FIELD}.after": now, f"{FIELD}.due_at": at, f"{FIELD}.by": policy_id}
        await self._mark(And((users, Exists(is_changing, present=False))), marks)

    async def _mark(self, query: Query, marks: Mapping[str, Any]) -> None:
        await self.store.collection(DEFINITIONS).update_many(query, Update(set=marks))

    async def targets(self, backups: Sequence[Document], /) -> dict[str, Target]:
        """Return what fires each of some definitions, in two queries."""
        offloads = await self._by_id(OFFLOADS, (backup.get("copydef") for backup in backups))
        pairs = {backup["_id"]: (backup, offloads.get(backup.get("copydef") or "")) for backup in backups}
        chosen = {backup_id: policy_of(*pair) for backup_id, pair in pairs.items()}
        policies = await self._by_id(POLICIES, chosen.values())
        tables = {policy_id: self._target(policy) for policy_id, policy in policies.items()}
        return {
            backup_id: replace(tables.get(policy_id or "", Target()), offload=pairs[backup_id][1])
            for backup_id, policy_id in chosen.items()
        }

    def _target(self, policy: Document) -> Target:
        try:
            return Target(timetable_of(policy, jitter_seconds=self.jitter_seconds))
        except ValueError as e:
            return Target(problem=f'The policy "{policy["name"]}" cannot be read: {e}')

    async def _by_id(self, collection: str, ids: Iterable[str | None]) -> dict[str, Document]:
        wanted = tuple(sorted({one for one in ids if one}))
        found = await self.store.collection(collection).find(In("_id", wanted)) if wanted else []
        return {one["_id"]: one for one in found}


def with_next_run(status: Mapping[str, Any], at: int | None, /) -> Document:
    """Return a definition's status with the time of its next run; the key is absent when there is none."""
    rest = {key: value for key, value in status.items() if key != "next_run_time"}
    return rest if at is None else rest | {"next_run_time": at}
