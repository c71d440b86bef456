"""What a restore changes on its way, and which single objects it takes: as Velero reads it from ConfigMaps. Pure.

Each restore has its own two, named in its spec and gone after it: Velero's other way to map storage classes, a labelled ConfigMap, holds for
every restore of the cluster as long as it is there. Source: velero v1.18.3, internal/resourcemodifiers, internal/resourcepolicies.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from cloudcasa_contract.commands import COMMAND_LABEL, ObjectRef, RestoreRun

from cloudcasa_agent.kube import JsonObject

from .resources import RULES_LABEL

_OLD_ANNOTATION = "/metadata/annotations/volume.beta.kubernetes.io~1storage-class"
_CLASS = "/spec/storageClassName"
_TEMPLATES = 10
"""Volume claim templates of one StatefulSet that are looked at: a patch names each by its number."""


def modifiers_name(command_id: str, /) -> str:
    """Return the name of the ConfigMap with what changes."""
    return f"cc-{command_id}-modifiers"


def policy_name(command_id: str, /) -> str:
    """Return the name of the ConfigMap with the objects to take."""
    return f"cc-{command_id}-objects"


def build_rules(command: RestoreRun, *, command_id: str, namespace: str) -> tuple[JsonObject, ...]:
    """Return the ConfigMaps that the Restore of a command names."""
    made: list[JsonObject] = []
    if rules := modifier_rules(command):
        content: JsonObject = {"version": "v1", "resourceModifierRules": rules}
        made.append(_config_map(modifiers_name(command_id), content, command_id=command_id, namespace=namespace))
    if command.objects:
        content = {"version": "v1", **object_policy(command.objects)}
        made.append(_config_map(policy_name(command_id), content, command_id=command_id, namespace=namespace))
    return tuple(made)


def modifier_rules(command: RestoreRun, /) -> list[JsonObject]:
    """Return the rules of a restore: its storage classes first, then what the user wants changed."""
    return [*_class_rules(command.storage_class_map), *command.modifiers]


def object_policy(objects: Iterable[ObjectRef], /) -> JsonObject:
    """Return the filters that let only these objects through."""
    by_namespace: dict[str, dict[str, list[str]]] = {}
    for item in objects:
        by_namespace.setdefault(item.namespace, {}).setdefault(item.kind.lower(), []).append(item.name)
    cluster = by_namespace.pop("", None)
    policies = [{"namespaces": [name], "resourceFilters": _filters(kinds)} for name, kinds in sorted(by_namespace.items())]
    found: JsonObject = {"namespacedFilterPolicies": policies} if policies else {}
    return found | ({"clusterScopedFilterPolicy": {"resourceFilters": _filters(cluster)}} if cluster else {})


def _filters(kinds: Mapping[str, list[str]]) -> list[JsonObject]:
    return [{"kinds": [kind], "names": sorted(set(names))} for kind, names in sorted(kinds.items())]


def _class_rules(mapping: Mapping[str, str]) -> Iterator[JsonObject]:
    """Yield rules for every place where a storage class is named; Velero judges each by the object as it was backed up."""
    for old, new in sorted(mapping.items()):
        for resource in ("persistentvolumeclaims", "persistentvolumes"):
            yield _replace(resource, _CLASS, old=old, new=new)
            yield _replace(resource, _OLD_ANNOTATION, old=old, new=new)
        for number in range(_TEMPLATES):
            yield _replace("statefulsets.apps", f"/spec/volumeClaimTemplates/{number}{_CLASS}", old=old, new=new)


def _replace(resource: str, path: str, *, old: str, new: str) -> JsonObject:
    """Return the rule; the quotes keep Velero from reading a class named "1" or "true" as something else than text."""
    conditions = {"groupResource": resource, "matches": [{"path": path, "value": f'"{old}"'}]}
    return {"conditions": conditions, "patches": [{"operation": "replace", "path": path, "value": f'"{new}"'}]}


def _config_map(name: str, content: JsonObject, *, command_id: str, namespace: str) -> JsonObject:
    labels = {COMMAND_LABEL: command_id, RULES_LABEL: "true"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "data": {"rules.yaml": json.dumps(content, indent=1, sort_keys=True)},
    }
