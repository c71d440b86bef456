"""What a restore's fields mean to the agent, and which options there are."""

from __future__ import annotations

from typing import Any

import pytest
from cloudcasa_contract.commands import RestoreRun
from cloudcasa_server.kit.errors import InvalidError
from cloudcasa_server.restore.model import touched_namespaces
from cloudcasa_server.restore.options import RestoreOptions
from cloudcasa_server.restore.payload import command_kind, restore_payload

Json = dict[str, Any]
RULE = {"conditions": {"groupResource": "deployments.apps"}, "mergePatches": [{"patchData": '{"spec": {"replicas": 0}}'}]}
SETTINGS = {"kind": "ConfigMap", "namespace": "web", "name": "settings"}


def a_point(**source: Any) -> Json:
    return {"velero": {"backup_name": "b-1"}, "backup_selection": source or {"namespaces": ["web", "db"]}}


def a_restore(*, selection: Json | None = None, **fields: Any) -> Json:
    return {"selection": selection or {"all_namespaces": True}} | fields


def sent(restore: Json, point: Json | None = None) -> Json:
    return restore_payload(restore, point=point or a_point(), restore_name="r-1")


def test_plain_restore_is_the_command_that_every_agent_knows() -> None:
    payload = sent(a_restore(selection={"namespaces": ["web"]}, namespaces_suffix="-x"))
    assert command_kind(payload, is_borrowed=False) == "restore.run"
    assert payload["namespace_map"] == {"web": "web-x"}


CHOICES: list[tuple[str, Json]] = [
    ("objects", a_restore(selection={"objects": [SETTINGS]})),
    ("storage classes", a_restore(storage_class_map={"slow": "fast"})),
    ("updates", a_restore(options={"existing_resources": "update"})),
    ("modifiers", a_restore(options={"resource_modifiers": [RULE]})),
    ("node ports", a_restore(options={"preserve_node_ports": True})),
    ("parallel files", a_restore(options={"pvc_file_parallelism": 8})),
]


@pytest.mark.parametrize("restore", [one[1] for one in CHOICES], ids=[one[0] for one in CHOICES])
def test_what_an_older_agent_would_leave_out_is_a_command_that_it_refuses(restore: Json) -> None:
    payload = sent(restore)
    assert command_kind(payload, is_borrowed=False) == "restore.run.2"
    RestoreRun.model_validate(payload | {"storage": STORAGE, "kind": "restore.run.2"})


def test_names_that_only_the_backup_knows_are_left_to_the_agent() -> None:
    payload = sent(a_restore(namespaces_prefix="old-"), a_point(all_namespaces=True))
    assert (payload["namespace_prefix"], payload["namespace_map"], payload["namespaces"]) == ("old-", {}, [])
    assert command_kind(payload, is_borrowed=False) == "restore.run.2"


def test_another_clusters_backup_is_a_command_that_an_older_agent_refuses() -> None:
    assert command_kind(sent(a_restore()), is_borrowed=True) == "restore.run.2"


def test_objects_alone_are_sent_and_their_namespaces_renamed() -> None:
    payload = sent(a_restore(selection={"objects": [SETTINGS]}, namespaces_suffix="-x"))
    assert (payload["objects"], payload["namespaces"], payload["namespace_map"]) == ([SETTINGS], [], {"web": "web-x"})


STORAGE = {
    "objectstore_id": "s",
    "name": "s",
    "bucket": "b",
    "prefix": "p",
    "endpoint": "https://s3.example.com",
    "access_key": "PLACEHOLDER",
    "secret_key": "PLACEHOLDER",
}

TOUCHED: list[tuple[str, Json, list[str]]] = [
    ("names", a_restore(selection={"namespaces": ["web"]}, namespaces_map={"web": "new"}), ["new", "web"]),
    ("objects", a_restore(selection={"objects": [SETTINGS]}), ["web"]),
    ("objects of the whole cluster", a_restore(selection={"objects": [{"kind": "ClusterRole", "name": "reader"}]}), []),
    ("modifiers", a_restore(selection={"namespaces": ["web"]}, options={"resource_modifiers": [RULE]}), []),
]


@pytest.mark.parametrize(("restore", "touched"), [one[1:] for one in TOUCHED], ids=[one[0] for one in TOUCHED])
def test_namespaces_that_a_restore_touches(restore: Json, touched: list[str]) -> None:
    """None means that its caller needs rights on the whole cluster."""
    assert touched_namespaces(restore, point=a_point()) == touched


WRONG: list[tuple[str, Json, str]] = [
    ("unknown policy", {"existing_resources": "overwrite"}, "existing_resources"),
    ("a word for a number", {"pvc_file_parallelism": "many"}, "pvc_file_parallelism"),
    ("no files at a time", {"pvc_file_parallelism": 0}, "pvc_file_parallelism"),
    ("rules that are none", {"resource_modifiers": "all"}, "resource_modifiers"),
    ("a rule without conditions", {"resource_modifiers": [{"patches": [{"operation": "remove", "path": "/a"}]}]}, "resource_modifiers"),
    ("a rule without patches", {"resource_modifiers": [{"conditions": {"groupResource": "pods"}}]}, "resource_modifiers"),
    ("two kinds of patches", {"resource_modifiers": [RULE | {"patches": [{"operation": "remove", "path": "/a"}]}]}, "resource_modifiers"),
    ("an unknown key", {"resource_modifiers": [RULE | {"force": True}]}, "resource_modifiers"),
    (
        "a broken pattern",
        {"resource_modifiers": [RULE | {"conditions": {"groupResource": "pods", "resourceNameRegex": "("}}]},
        "resource_modifiers",
    ),
    ("rules without end", {"resource_modifiers": [RULE] * 101}, "resource_modifiers"),
    ("rules without bounds", {"resource_modifiers": [RULE | {"mergePatches": [{"patchData": "x" * 60_000}] * 5}]}, "resource_modifiers"),
]


@pytest.mark.parametrize(("options", "key"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG])
def test_options_that_cannot_be_are_refused_by_name(options: Json, key: str) -> None:
    with pytest.raises(InvalidError) as refused:
        RestoreOptions.of({"options": options})
    assert list(refused.value.issues["options"]) == [key]


def test_options_of_copies_have_no_effect_on_a_restore() -> None:
    assert RestoreOptions.of({"options": {"upload_speed_limit": "10M", "mover_ready_timeout": 5}}) == RestoreOptions()


def test_rules_are_sent_as_they_were_written() -> None:
    full = {"conditions": {"groupResource": "pods", "namespaces": ["web"]}, "patches": [{"operation": "copy", "from": "/a", "path": "/b"}]}
    assert RestoreOptions.of({"options": {"resource_modifiers": [RULE, full]}}).modifier_rules() == [RULE, full]
