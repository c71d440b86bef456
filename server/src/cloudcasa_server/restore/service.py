"""The rules of restores."""

from __future__ import annotations

from typing import Any

from cloudcasa_contract.states import JobType, RecoveryPointState
from cloudcasa_contract.velero import check_names

from ..hook.service import RESTORE_FIELDS, check_hooks
from ..job.model import JobRequest
from ..job.service import Jobs
from ..kit.errors import InvalidError
from ..kit.rest import RequestContext
from ..kit.store import Document
from .model import chosen_namespaces, chosen_objects, namespace_map, touched_namespaces
from .options import RestoreOptions

_UNBUILT = {
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
    for field, what in _UNBUILT.items():
        if document.get(field):
            raise _refuse(field, f"{what} in a restore: not supported yet. Leave {field} empty.")
    if document.get("pre_hooks"):
        text = (
            "A restore has no pods before it has made them, so nothing can run in them before. Use post_hooks, which run when they are up."
        )
        raise _refuse("pre_hooks", text)
    await check_hooks(context, document, fields=RESTORE_FIELDS)
    RestoreOptions.of(document)
    await _check_target(context, document, point)
    _check_selection(document, point)
    _check_names(document, point)
    return point


async def _check_target(context: RequestContext, document: Document, point: Document) -> None:
    """Refuse a cluster that is not there, and one where the recovery point's data is not."""
    target = document.get("cluster") or point["cluster"]
    if await context.documents("kubeclusters").find(target) is None:
        text = f'The cluster "{point["cluster_name"]}" of this recovery point was deleted. Name the one to restore into in cluster.'
        raise _refuse("cluster", text)
    if target == point["cluster"] or point["type"] == "COPY":
        return
    if document["selection"].get("restorePersistentVolumes") is not False and point.get("pv_count"):
        text = (
            f'The recovery point "{point["name"]}" is a snapshot: the data of its volumes is on the cluster "{point["cluster_name"]}" only.'
            " Choose a copy, or restore without volumes: set selection.restorePersistentVolumes to false."
        )
        raise _refuse("backup_inst", text)


def _check_selection(document: Document, point: Document) -> None:
    selected = document["selection"]
    names = selected.get("namespaces") or []
    if chosen_objects(document):
        _check_objects(document)
    elif not selected.get("all_namespaces") and not names:
        raise _refuse(
            "selection",
            "The restore selects nothing: set selection.all_namespaces, or name namespaces in selection.namespaces or objects in selection.objects.",
        )
    if not selected.get("all_namespaces"):
        _check_held(document, point, names=chosen_namespaces(document, point=point))


def _check_held(document: Document, point: Document, *, names: tuple[str, ...]) -> None:
    """Refuse namespaces that the recovery point cannot hold."""
    source, field = point["backup_selection"], "objects" if chosen_objects(document) else "namespaces"
    held, excluded = set(source.get("namespaces") or ()), set(source.get("excluded_namespaces") or ())
    foreign = [name for name in names if name in excluded or (not source.get("all_namespaces") and name not in held)]
    if foreign:
        listed = ", ".join(f'"{name}"' for name in foreign)
        text = f'The recovery point "{point["name"]}" does not hold the namespace {listed}. Correct selection.{field}.'
        raise InvalidError(text, issues={"selection": {field: text}})


def _check_objects(document: Document) -> None:
    selected = document["selection"]
    beside = [key for key in ("all_namespaces", "namespaces", "label_selector", "include_resource_types") if selected.get(key)]
    if beside:
        text = f"selection.objects names all that is restored: leave {', '.join(f'selection.{key}' for key in beside)} out."
        raise InvalidError(text, issues={"selection": {"objects": text}})
    if len({bool(item.get("namespace")) for item in chosen_objects(document)}) > 1:
        text = "selection.objects names objects of namespaces and of the whole cluster: restore them one after the other."
        raise InvalidError(text, issues={"selection": {"objects": text}})


def _check_names(document: Document, point: Document) -> None:
    """Refuse new names that cannot be, as far as the old ones are known; the rest the agent finds out."""
    chosen = chosen_namespaces(document, point=point)
    try:
        check_names(chosen, mapping=namespace_map(document, namespaces=chosen))
    except ValueError as error:
        raise _refuse("namespaces_map", str(error)) from error


async def open_restore(jobs: Jobs, restore: Document, /, *, point: Document) -> Document:
    """Open the job of a restore, which is one of the cluster that it restores into."""
    target = await jobs.store.collection("kubeclusters").get(restore["cluster"]) or {"name": point["cluster_name"]}
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
            cluster_id=restore["cluster"],
            cluster_name=target["name"],
            fields=fields,
            namespaces=touched_namespaces(restore, point=point),
            data={"restore": {key: value for key, value in restore.items() if not key.startswith("_") and key != "status"}},
        )
    )
