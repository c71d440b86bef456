"""Settles what a restore takes and what its namespaces will be called, by the list of objects that the backup holds. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cloudcasa_contract.commands import ObjectRef, RestoreRun
from cloudcasa_contract.velero import Listed, check_names, namespaces_in, renamed

from .errors import NameUnusableError, ObjectNotInBackupError


def needs_listing(command: RestoreRun, /) -> bool:
    """Tell whether the command says something that only the backup's list of objects settles."""
    return bool(command.objects or command.namespace_prefix or command.namespace_suffix)


def settled(command: RestoreRun, listing: tuple[Listed, ...], /) -> RestoreRun:
    """Return the command with kinds as Velero looks them up, and every new name spelled out. Raises the errors of errors.py."""
    objects = tuple(_found(item, listing) for item in command.objects)
    chosen = {item.namespace for item in objects if item.namespace} or set(command.namespaces) or namespaces_in(listing)
    mapping = renamed(chosen, given=command.namespace_map, prefix=command.namespace_prefix, suffix=command.namespace_suffix)
    try:
        check_names(chosen, mapping=mapping)
    except ValueError as error:
        raise NameUnusableError(f"Cannot restore: {error}") from error
    return command.model_copy(update={"objects": objects, "namespace_map": mapping, "namespace_prefix": "", "namespace_suffix": ""})


def _found(wanted: ObjectRef, listing: Iterable[Listed]) -> ObjectRef:
    """Return the object with its kind and group. One kind without its group may be two: then which one must be said."""
    have = {
        (item.kind, item.api_version.rpartition("/")[0])
        for item in listing
        if item.is_kind(wanted.kind) and (item.namespace, item.name) == (wanted.namespace, wanted.name)
    }
    if not have:
        raise ObjectNotInBackupError(f"Cannot restore {describe(wanted)}: the recovery point does not hold it.")
    if len(have) > 1:
        names = " or ".join(f'"{kind}.{group}"' for kind, group in sorted(have))
        raise ObjectNotInBackupError(
            f"Cannot restore {describe(wanted)}: the recovery point holds two of the kind. Give the kind as {names}."
        )
    kind, group = have.pop()
    return wanted.model_copy(update={"kind": f"{kind}.{group}" if group else kind})


def left_out(objects: Collection[ObjectRef], *, listing: Collection[Listed], mapping: dict[str, str]) -> tuple[str, ...]:
    """Return a sentence for each object that was asked for and that Velero did not restore, by its list of what it did."""
    return tuple(f"{describe(item)} was not restored." for item in objects if not _is_there(item, listing=listing, mapping=mapping))


def _is_there(wanted: ObjectRef, *, listing: Collection[Listed], mapping: dict[str, str]) -> bool:
    place = mapping.get(wanted.namespace, wanted.namespace), wanted.name
    return any(item.is_kind(wanted.kind) and (item.namespace, item.name) == place and item.action != "failed" for item in listing)


def describe(item: ObjectRef, /) -> str:
    """Return how sentences name an object."""
    where = f' of namespace "{item.namespace}"' if item.namespace else ""
    return f'{item.kind} "{item.name}"{where}'
