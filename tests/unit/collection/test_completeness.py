"""The collection and the server do not drift apart: every resource has a module, every option a field, or a reason why not."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from cloudcasa_server.api import RESOURCES
from cloudcasa_server.kit.rest.documents import settable_fields

from ansible_collections.cloudcasa.core.plugins.module_utils import _resources

pytestmark = pytest.mark.unit

MODULES = sorted(
    path.stem for path in (Path(__file__).parents[3] / "collections/ansible_collections/cloudcasa/core/plugins/modules").glob("*.py")
)
BODIES = "ansible_collections.cloudcasa.core.plugins.module_utils._module"

MODULE_OF = {
    "kubeclusters": ["agent", "cluster", "cluster_info"],
    "objectstores": ["object_store"],
    "kubebackups": ["backup", "backup_run"],
    "kubeoffloads": ["backup", "backup_run"],
    "kuberestores": ["restore"],
    "backupinstances": ["recovery_point_info"],
    "jobs": ["job_info"],
}
WITHOUT_MODULE = {
    "policies": "schedules come with the module policy; until then policies are made by the API",
    "alerts": "alerts come with the module alert_info, together with their delivery",
    "notificationchannels": "comes with the modules of issue 5, part J",
    "notificationdeliveries": "shown by the module for channels",
    "systemalerts": "notices of the server for the UI",
    "kubemigrations": "migrations come with the module migration, together with their running",
    "cloudaccounts": "clouds come with modules of their own, together with their reading",
    "cloudtasks": "work of the server in clouds; read by the UI",
    "veleroinstances": "mirror of a user's Velero; read by the UI",
    "velerobsls": "mirror of a user's Velero; read by the UI",
    "velerovsls": "mirror of a user's Velero; read by the UI",
    "kubepvcprogress": "progress of a running job; read by the UI",
    "kubehooks": "hooks come with the module hook, together with their running",
    "kubehooktemplates": "built in; read by the UI, named by their ids",
    "kubenamespaces": "inventory that the agent reports; read by the UI",
    "kubepvclaims": "inventory that the agent reports; read by the UI",
    "kubestorageclasses": "inventory that the agent reports; read by the UI",
    "apikeys": "keys are made by the operator of the server; a module would have to log its own secret",
}

SETTABLE = {
    "kubeclusters": "CLUSTER_SETTINGS",
    "objectstores": "OBJECT_STORE_SETTINGS",
    "kubebackups": "BACKUP_SETTINGS",
    "kubeoffloads": "OFFLOAD_SETTINGS",
}


@pytest.mark.parametrize(("path", "settings"), SETTABLE.items())
def test_modules_send_back_every_setting_that_they_read(path, settings):
    """What one leaves out of a PUT is gone, though its user never spoke of it."""
    (resource,) = (one for one in RESOURCES if one.name == path)
    assert set(getattr(_resources, settings)) == settable_fields(resource)


COMMON = {"api_url", "api_key", "validate_certs", "ca_path", "api_timeout", "state", "wait", "wait_timeout"}
SELECTING = (
    "namespaces",
    "all_namespaces",
    "excluded_namespaces",
    "included_resources",
    "excluded_resources",
    "label_selector",
    "snapshot_volumes",
)
FIELD_OF: dict[str, dict[str, tuple[str, str]]] = {
    "cluster": {
        "name": ("kubeclusters", "name"),
        "description": ("kubeclusters", "description"),
        "tags": ("kubeclusters", "tags"),
        "object_store": ("kubeclusters", "backup_provider"),
        "container_registry": ("kubeclusters", "container_registry"),
        "image_pull_secret_name": ("kubeclusters", "image_pull_secret_name"),
    },
    "object_store": {
        "name": ("objectstores", "name"),
        "description": ("objectstores", "description"),
        "tags": ("objectstores", "tags"),
        "bucket": ("objectstores", "bucket_name"),
        "endpoint": ("objectstores", "s3provider"),
        "region": ("objectstores", "region"),
        "prefix": ("objectstores", "prefix"),
        "access_key": ("objectstores", "s3provider"),
        "secret_key": ("objectstores", "s3provider"),
        "skip_tls_verification": ("objectstores", "skip_tls_certificate_validation"),
        "private": ("objectstores", "private"),
        "proxy_cluster": ("objectstores", "proxy_cluster_list"),
        "ca_pem": ("objectstores", "ca_pem"),
    },
    "backup": {
        "name": ("kubebackups", "name"),
        "description": ("kubebackups", "description"),
        "tags": ("kubebackups", "tags"),
        "cluster": ("kubebackups", "cluster"),
        **dict.fromkeys(SELECTING, ("kubebackups", "source")),
        "pause": ("kubebackups", "pause"),
        "copy": ("kubebackups", "copydef"),
        "copy_object_store": ("kubeoffloads", "offload_provider"),
        "copy_delete_snapshots": ("kubeoffloads", "delete_snapshots"),
        "copy_settings": ("kubeoffloads", "options"),
    },
    "restore": {
        "name": ("kuberestores", "name"),
        "recovery_point": ("kuberestores", "backup_inst"),
        "cluster": ("kuberestores", "cluster"),
        "namespaces": ("kuberestores", "selection"),
        "label_selector": ("kuberestores", "selection"),
        "included_resources": ("kuberestores", "selection"),
        "restore_volumes": ("kuberestores", "selection"),
        "namespace_map": ("kuberestores", "namespaces_map"),
        "namespace_prefix": ("kuberestores", "namespaces_prefix"),
        "namespace_suffix": ("kuberestores", "namespaces_suffix"),
        "storage_class_map": ("kuberestores", "storage_class_map"),
    },
}
WITHOUT_FIELD = {
    ("object_store", "update_credentials"): "when to send credentials is the client's decision",
    ("restore", "backup"): "stands for the newest recovery point of a backup",
    ("restore", "allow_partial"): "how to judge the outcome is the play's decision",
    ("backup_run", "backup"): "the document whose action is run",
    ("backup_run", "retain_days"): "the body of the action, not of a document",
    ("backup_run", "allow_partial"): "how to judge the outcome is the play's decision",
    ("agent", "cluster"): "the document whose manifest is fetched",
    ("agent", "kubeconfig"): "the way to the Kubernetes cluster, which the server does not know",
    ("agent", "context"): "the way to the Kubernetes cluster, which the server does not know",
}


def fields_of(resource: Any) -> set[str]:
    return {field.alias or name for name, field in resource.model.model_fields.items()}


def options_of(module: str) -> set[str]:
    return set(importlib.import_module(f"{BODIES}.{module}").argument_spec()) - COMMON


def test_every_resource_has_a_module_or_a_reason() -> None:
    served = {resource.name for resource in RESOURCES}
    assert served - set(MODULE_OF) <= set(WITHOUT_MODULE)
    assert set(MODULE_OF) <= served
    assert {name for names in MODULE_OF.values() for name in names} == set(MODULES)


@pytest.mark.parametrize("module", [name for name in MODULES if not name.endswith("_info")])
def test_every_option_is_a_field_or_has_a_reason(module: str) -> None:
    fields = {resource.name: fields_of(resource) for resource in RESOURCES if resource.model is not None}
    for option in options_of(module):
        if (module, option) in WITHOUT_FIELD:
            continue
        resource, field = FIELD_OF[module][option]
        assert field in fields[resource], (module, option, field)
    assert set(FIELD_OF.get(module, {})) <= options_of(module)


@pytest.mark.parametrize(
    ("settings", "resource"),
    [
        ("CLUSTER_SETTINGS", "kubeclusters"),
        ("OBJECT_STORE_SETTINGS", "objectstores"),
        ("BACKUP_SETTINGS", "kubebackups"),
        ("OFFLOAD_SETTINGS", "kubeoffloads"),
    ],
)
def test_a_replacement_keeps_every_field_that_clients_set(settings: str, resource: str) -> None:
    kept = importlib.import_module(f"{BODIES.rpartition('.')[0]}._resources")
    served = next(each for each in RESOURCES if each.name == resource)
    assert fields_of(served) <= set(getattr(kept, settings))
