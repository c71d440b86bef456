"""What the end of a Velero backup or restore means for the job. Pure.

Nothing is called done that was not verified: an artifact that could not be read, a volume that failed or was left out, or a volume that was
only snapshotted where its data should have been copied makes the job PARTIAL, and the message names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloudcasa_contract.commands import BackupOutput, RestoreOutput, VolumeResult
from cloudcasa_contract.states import JobState, VeleroPhase

from .clues import clue

_SHOWN = 5
_LOST = "was not restored"
"""What the agent says of a claim whose data did not come back."""
_SNAPSHOT_METHODS = {"CSISnapshot", "NativeSnapshot"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the job ends, and whether there is something to restore from."""

    state: JobState
    message: str
    reason: str = ""
    """Why it is not COMPLETED: a slug of reasons.py."""

    @property
    def is_usable(self) -> bool:
        """Tell whether Velero finished its work, wholly or in part."""
        return self.state in {JobState.COMPLETED, JobState.PARTIAL}


def judge(
    output: BackupOutput | RestoreOutput,
    /,
    *,
    needs_data: bool = False,
    needs_volumes: bool = True,
    forgotten: Sequence[str] = (),
    troubles: Sequence[str] = (),
    note: str = "",
) -> Verdict:
    """Return the verdict.

    `needs_data`: volumes must have been copied, not only snapshotted; `needs_volumes`: none may be left out; `forgotten`: claims that
    should be in it and of which Velero said nothing at all, as namespace/name; `troubles`: what else went wrong, such as hooks; `note`: a
    sentence that is added where all went well.
    """
    what = "Backup" if isinstance(output, BackupOutput) else "Restore"
    if output.phase not in {VeleroPhase.COMPLETED, VeleroPhase.PARTIALLY_FAILED}:
        reasons = [output.failure_reason, *output.artifacts.errors[:_SHOWN]]
        why = "; ".join(reason for reason in reasons if reason) or "Velero gave no reason; see the job's log"
        general = "validation_failed" if output.phase == VeleroPhase.FAILED_VALIDATION else "velero_failed"
        return Verdict(JobState.FAILED, f'{what} failed, Velero ended with "{output.phase}": {why}.', clue(reasons, otherwise=general))
    are_hooks_bad = bool(troubles)
    troubles = [*troubles, *_troubles(output, needs_data=needs_data, needs_volumes=needs_volumes)]
    if forgotten:
        named = _some([f"volume {claim}" for claim in forgotten])
        troubles.append(f"{named} selected, but Velero says nothing of the data")
    if not troubles:
        return Verdict(JobState.COMPLETED, f"{what} successful{note and '.'}{note}")
    message = f"{what} finished in part: {'; '.join(troubles)}."
    reason = _partial_reason(output, needs_data=needs_data, needs_volumes=needs_volumes)
    return Verdict(JobState.PARTIAL, message, "hook_failed" if are_hooks_bad and reason in _LESS else reason)


_LESS = {"partially_failed", "volume_skipped", "not_verified"}
"""Reasons that say less than that a hook failed."""


def _partial_reason(output: BackupOutput | RestoreOutput, *, needs_data: bool, needs_volumes: bool) -> str:
    """Return what the words of the errors stand for, else what kind of trouble it is, the worst first."""
    artifacts = output.artifacts
    bad = [volume for volume in artifacts.volumes if volume_trouble(volume, needs_data=needs_data, needs_volumes=needs_volumes)]
    is_restore = isinstance(output, RestoreOutput)
    if any(not volume.skipped_reason for volume in bad):
        general = "restore_data_not_restored" if is_restore else "volume_failed"
    elif output.errors or artifacts.errors:
        general = "restore_data_not_restored" if is_restore and _LOST in " ".join(artifacts.errors) else "partially_failed"
    elif artifacts.missing:
        general = "not_verified"
    else:
        general = "partially_failed" if output.phase == VeleroPhase.PARTIALLY_FAILED and not bad else "volume_skipped"
    return clue((*artifacts.errors, *(volume.skipped_reason for volume in bad)), otherwise=general)


def _troubles(output: BackupOutput | RestoreOutput, *, needs_data: bool, needs_volumes: bool) -> Iterator[str]:
    artifacts = output.artifacts
    bad = [text for volume in artifacts.volumes if (text := volume_trouble(volume, needs_data=needs_data, needs_volumes=needs_volumes))]
    if bad:
        yield _some(bad)
    if output.errors or artifacts.errors:
        count = max(output.errors, len(artifacts.errors))
        named = f": {_some(artifacts.errors)}" if artifacts.errors else ""
        yield f"{count} error{'s' if count > 1 else ''}{named}"
    if artifacts.missing:
        yield f"could not be verified, since these could not be read: {_some(artifacts.missing)}"
    if output.phase == VeleroPhase.PARTIALLY_FAILED and not bad and not output.errors and not artifacts.errors:
        yield "Velero ended with PartiallyFailed and named no error"


def volume_trouble(volume: VolumeResult, *, needs_data: bool, needs_volumes: bool) -> str:
    """Return what is wrong with one volume; empty when nothing is."""
    name = f"volume {volume.namespace}/{volume.pvc}"
    if volume.skipped_reason:
        return f"{name} was left out ({volume.skipped_reason})" if needs_volumes or not volume.succeeded else ""
    if not volume.succeeded:
        return f"{name} failed"
    if needs_data and not volume.is_data_moved and volume.method in _SNAPSHOT_METHODS:
        return f"{name} was only snapshotted, its data was not copied"
    return ""


def _some(texts: tuple[str, ...] | list[str]) -> str:
    rest = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
