"""From what Velero left behind to what the server is told, in pure functions.

The rule: trouble with a volume must be visible in `volumes` whatever the phase says. Velero calls a backup Completed though a volume
was skipped, and a restore Completed though a claim existed and its data was not restored (velero.md 14).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cloudcasa_contract.commands import Artifacts, BackupOutput, RestoreOutput, RestoreRun, VolumeResult
from cloudcasa_contract.velero import Listed, backup_counts, claims_in, run_end

from cloudcasa_agent.kube import JsonObject

from .drive import Watched, movement_claim


def backup_output(
    watched: Watched, *, artifacts: Artifacts, unknown_namespaces: Iterable[str] = (), left_out: tuple[str, ...] = ()
) -> BackupOutput:
    """Return the end of a backup; `left_out` are the sentences about kinds that it lacks, which Velero does not count."""
    ended = run_end(watched.status)
    total, done = watched.moved_bytes()
    absent = tuple(f'namespace "{name}": it does not exist and was left out.' for name in sorted(unknown_namespaces))
    volumes = _with_movements(artifacts.volumes, movements=watched.movements)
    return BackupOutput(
        phase=watched.phase,
        **ended | {"errors": ended["errors"] + len(left_out), "warnings": ended["warnings"] + len(absent)},
        **backup_counts(watched.status),
        bytes_total=total or sum(volume.size_bytes for volume in volumes if volume.succeeded),
        bytes_done=done,
        artifacts=artifacts.model_copy(
            update={"volumes": volumes, "errors": artifacts.errors + left_out, "warnings": artifacts.warnings + absent}
        ),
    )


def restore_output(
    watched: Watched, *, artifacts: Artifacts, expected: Iterable[VolumeResult], absent: tuple[str, ...] = ()
) -> RestoreOutput:
    """Return the end of a restore.

    `expected` are the volumes whose data must have come back, by the names they have now; `absent` the sentences about chosen objects that did not.
    """
    ended = run_end(watched.status)
    total, done = watched.moved_bytes()
    volumes = _with_movements(artifacts.volumes, movements=watched.movements)
    errors = artifacts.errors + _lost(expected, volumes=volumes, movements=watched.movements) + absent
    return RestoreOutput(
        phase=watched.phase,
        **ended | {"errors": max(ended["errors"], len(errors))},
        items_restored=(watched.status.get("progress") or {}).get("itemsRestored", 0),
        bytes_total=total,
        bytes_done=done,
        artifacts=artifacts.model_copy(update={"volumes": volumes, "errors": errors}),
    )


def expected_volumes(
    backed_up: Iterable[VolumeResult], *, command: RestoreRun, mapping: Mapping[str, str], listing: tuple[Listed, ...] = ()
) -> tuple[VolumeResult, ...]:
    """Return the moved volumes of a backup that a restore must bring back, in the namespaces where it puts them.

    Of a restore that takes all, or whole namespaces, these are all of them; of a choice those whose claims Velero lists, whatever became of them.
    """
    if not command.restore_volumes:
        return ()
    moved = (
        volume.model_copy(update={"namespace": mapping.get(volume.namespace, volume.namespace)})
        for volume in backed_up
        if volume.is_data_moved and volume.succeeded and (not command.namespaces or volume.namespace in command.namespaces)
    )
    if not (command.included_resources or command.label_selector or command.objects):
        return tuple(moved)
    claims = claims_in(listing)
    return tuple(volume for volume in moved if (volume.namespace, volume.pvc) in claims)


def _with_movements(volumes: Iterable[VolumeResult], *, movements: Mapping[str, JsonObject]) -> tuple[VolumeResult, ...]:
    """Return the volumes, each as bad as its movement was; a movement that Velero did not list is added."""
    found = {(volume.namespace, volume.pvc): volume for volume in volumes}
    for movement in movements.values():
        claim, status = movement_claim(movement), movement.get("status") or {}
        phase, size = status.get("phase") or "New", (status.get("progress") or {}).get("totalBytes", 0)
        listed = found.get(claim) or VolumeResult(namespace=claim[0], pvc=claim[1], method="CSISnapshot")
        found[claim] = listed.model_copy(
            update={
                "is_data_moved": True,
                "succeeded": listed.succeeded and phase == "Completed",
                "size_bytes": listed.size_bytes or size,
                "skipped_reason": listed.skipped_reason or _movement_reason(phase, status),
            }
        )
    return tuple(found[claim] for claim in sorted(found))


def _movement_reason(phase: str, status: JsonObject) -> str:
    text = f": {status['message']}" if status.get("message") else ""
    return "" if phase == "Completed" else f"Its data movement is {phase}{text}."


def _lost(expected: Iterable[VolumeResult], *, volumes: Iterable[VolumeResult], movements: Mapping[str, JsonObject]) -> tuple[str, ...]:
    """Return a sentence for each volume whose data did not come back."""
    moved = {movement_claim(movement) for movement in movements.values()}
    failed = tuple(
        f'namespace "{volume.namespace}": the data of claim "{volume.pvc}" was not restored. {volume.skipped_reason}'.strip()
        for volume in volumes
        if not volume.succeeded
    )
    absent = tuple(
        f'namespace "{volume.namespace}": the data of claim "{volume.pvc}" was not restored. '
        "A claim that exists already is left as it is: delete it, or restore under another name."
        for volume in expected
        if (volume.namespace, volume.pvc) not in moved
    )
    return failed + absent
