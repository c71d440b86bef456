"""The rules of restores."""

from __future__ import annotations

from typing import Any

from cloudcasa_contract.states import JobType, RecoveryPointState

from ..hook.service import RESTORE_FIELDS, check_hooks
from ..job.model import JobRequest
from ..job.service import Jobs
from ..kit.errors import InvalidError
from ..kit.rest import RequestContext
from ..kit.store import Document
from .model import chosen_namespaces, touched_namespaces

_UNBUILT = {
    "storage_class_map": "Mapping storage classes",
    "awseks": "Making a cluster",
    "azure_aks": "Making a cluster",
    "cloudaccount": "Making a cluster",
}


def _refuse(field: str, text: str) -> InvalidError:
    return InvalidError(text, issues={field: text})


async def check(context: RequestContext, document: Document, /) -> Document:
    """Return the recovery point of a restore that may start. Raises InvalidError."""
    point = await context.documents("backupinstances").find(document["backup_inst"])
    if point is None:
        raise _refuse("backup_inst", f"There is no recovery point {document['backup_inst']}.")
    if point["state"] != RecoveryPointState.READY.value:
        raise _refuse("backup_inst", f'The recovery point "{point["name"]}" is {point["state"]}. Choose one that is READY.')
    if document.get("cluster") and document["cluster"] != point["cluster"]:
        text = f'Restoring to another cluster than "{point["cluster_name"]}" is not supported yet. Leave cluster out.'
        raise _refuse("cluster", text)
    for field, what in _UNBUILT.items():
        if document.get(field):
            raise _refuse(field, f"{what} in a restore: not supported yet. Leave {field} empty.")
    if document.get("pre_hooks"):
        text = (
            "A restore has no pods before it has made them, so nothing can run in them before. Use post_hooks, which run when they are up."
        )
        raise _refuse("pre_hooks", text)
    await check_hooks(context, document, fields=RESTORE_FIELDS)
    _check_selection(document, point)
    return point


def _check_selection(document: Document, point: Document) -> None:
    selected, source = document["selection"], point["backup_selection"]
    names = selected.get("namespaces") or []
    if not selected.get("all_namespaces") and not names:
        raise _refuse("selection", "The restore selects nothing: set selection.all_namespaces or name namespaces in selection.namespaces.")
    held = set(source.get("namespaces") or ())
    excluded = set(source.get("excluded_namespaces") or ())
    foreign = [name for name in names if name in excluded or (not source.get("all_namespaces") and name not in held)]
    if foreign and not selected.get("all_namespaces"):
        listed = ", ".join(f'"{name}"' for name in foreign)
        text = f'The recovery point "{point["name"]}" does not hold the namespace {listed}. Correct selection.namespaces.'
        raise InvalidError(text, issues={"selection": {"namespaces": text}})
    renames = document.get("namespaces_prefix") or document.get("namespaces_suffix")
    if renames and not chosen_namespaces(document, point=point):
        text = "A prefix or suffix needs the namespaces by name, and this recovery point holds all. Name them in selection.namespaces."
        raise InvalidError(text, issues={"selection": {"namespaces": text}})


async def open_restore(jobs: Jobs, restore: Document, /, *, point: Document) -> Document:
    """Open the job of a restore."""
    fields: dict[str, Any] = {
        "restoredef": restore["_id"],
        "restoredef_name": restore["name"],
        "backup_inst": point["_id"],
        "backupdef_source": point["backupdef"],
    }
    return await jobs.open(
        JobRequest(
            type=JobType.RESTORE,
            display_name=restore["name"],
            cluster_id=point["cluster"],
            cluster_name=point["cluster_name"],
            fields=fields,
            namespaces=touched_namespaces(restore, point=point),
            data={"restore": {key: value for key, value in restore.items() if not key.startswith("_") and key != "status"}},
        )
    )
