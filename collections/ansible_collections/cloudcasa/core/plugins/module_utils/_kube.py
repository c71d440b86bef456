# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The verbs on a Kubernetes cluster that applying the agent's manifest needs. The only user of the kubernetes package, which is optional:
# where it is missing, KUBERNETES_IMPORT_ERROR holds why and the module says so.

from __future__ import annotations

import json
import traceback
import typing as t

from ._api import Document
from ._errors import CloudCasaError

try:
    import yaml
    from kubernetes import config as kube_config
    from kubernetes.client.exceptions import ApiException
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.dynamic import DynamicClient
    from kubernetes.dynamic.exceptions import ResourceNotFoundError
    from urllib3.exceptions import HTTPError as TransportError

    KUBERNETES_IMPORT_ERROR: str | None = None
except ImportError:
    KUBERNETES_IMPORT_ERROR = traceback.format_exc()

FIELD_MANAGER = "cloudcasa.core.agent"
SERVER_OWNED = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")


class Kube:
    """A cluster as the kubeconfig and context of a task name it."""

    def __init__(self, *, kubeconfig: str | None, context: str | None) -> None:
        try:
            client = kube_config.new_client_from_config(config_file=kubeconfig, context=context)
            self._client = DynamicClient(client)
        except (ConfigException, OSError) as e:
            named = f' "{kubeconfig}"' if kubeconfig else " ~/.kube/config"
            raise CloudCasaError(f"Cannot use the kubeconfig{named}: {e}", code="kubeconfig", details={"kubeconfig": kubeconfig}) from e
        except (ApiException, TransportError) as e:
            raise CloudCasaError(f"Cannot reach the Kubernetes cluster: {_text(e)}", code="kubernetes") from e

    def find(self, item: Document) -> Document | None:
        """Return the live object of that kind and name, or None."""
        try:
            found = self._kind(item).get(**_place(item))
        except (ApiException, ResourceNotFoundError, TransportError) as e:
            if getattr(e, "status", None) == 404 or isinstance(e, ResourceNotFoundError):
                return None
            raise _failure("read", item, e) from e
        return t.cast(Document, found.to_dict())

    def apply(self, item: Document, *, dry_run: bool) -> Document:
        """Apply an object server-side and return what the cluster made of it."""
        options = {"dry_run": "All"} if dry_run else {}
        try:
            applied = self._kind(item).server_side_apply(
                body=item, **_place(item), field_manager=FIELD_MANAGER, force_conflicts=True, **options
            )
        except (ApiException, ResourceNotFoundError, TransportError) as e:
            raise _failure("apply", item, e) from e
        return t.cast(Document, applied.to_dict())

    def delete(self, item: Document) -> None:
        """Delete an object and what belongs to it; one that is gone is fine."""
        try:
            self._kind(item).delete(**_place(item), body={"propagationPolicy": "Foreground"})
        except (ApiException, ResourceNotFoundError, TransportError) as e:
            if getattr(e, "status", None) != 404 and not isinstance(e, ResourceNotFoundError):
                raise _failure("delete", item, e) from e

    def release(self, *, api_version: str, kind: str, namespace: str) -> None:
        """Take the finalizers off every object of a kind in a namespace, so that it can go; a kind that is not served is fine."""
        try:
            served = self._client.resources.get(api_version=api_version, kind=kind)
            for found in served.get(namespace=namespace).items:
                if found.to_dict()["metadata"].get("finalizers"):
                    body = {"metadata": {"finalizers": None}}
                    served.patch(name=found.metadata.name, namespace=namespace, body=body, content_type="application/merge-patch+json")
        except (ApiException, ResourceNotFoundError, TransportError) as e:
            if getattr(e, "status", None) != 404 and not isinstance(e, ResourceNotFoundError):
                raise _failure("release", {"kind": kind, "metadata": {"name": "*", "namespace": namespace}}, e) from e

    def pods(self, *, namespace: str, labels: Document) -> t.List[Document]:
        """Return the pods of a selector."""
        selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        kind = self._client.resources.get(api_version="v1", kind="Pod")
        return [pod.to_dict() for pod in kind.get(namespace=namespace, label_selector=selector).items]

    def _kind(self, item: Document) -> t.Any:
        return self._client.resources.get(api_version=item["apiVersion"], kind=item["kind"])


def parse_manifest(text: bytes) -> t.List[Document]:
    """Return the objects of a manifest: several YAML documents, Lists taken apart."""
    try:
        documents = [document for document in yaml.safe_load_all(text) if document]
    except yaml.YAMLError as e:
        raise CloudCasaError(f"The agent's manifest is not YAML: {e}", code="bad_manifest") from e
    items: t.List[Document] = []
    for document in documents:
        if not isinstance(document, dict) or "kind" not in document:
            raise CloudCasaError("The agent's manifest holds something that is no Kubernetes object.", code="bad_manifest")
        items.extend(document.get("items") or [] if document["kind"] == "List" else [document])
    return items


def settled(item: Document | None) -> Document:
    """Return an object without what the API server counts and stamps, for comparing and showing."""
    if item is None:
        return {}
    meta = {name: value for name, value in (item.get("metadata") or {}).items() if name not in SERVER_OWNED}
    kept = {name: value for name, value in item.items() if name not in ("status", "metadata")}
    if item.get("kind") == "Secret":
        kept.update({name: "VALUE_NOT_SHOWN" for name in ("data", "stringData") if name in kept})
    return {**kept, "metadata": meta}


def title(item: Document) -> str:
    """Name an object as kubectl would."""
    return f"{item.get('kind')}/{(item.get('metadata') or {}).get('name')}"


def _place(item: Document) -> Document:
    meta = item.get("metadata") or {}
    return {"name": meta.get("name"), **({"namespace": meta["namespace"]} if meta.get("namespace") else {})}


def _failure(verb: str, item: Document, error: Exception) -> CloudCasaError:
    return CloudCasaError(f"Cannot {verb} {title(item)}: {_text(error)}", code="kubernetes", details={"object": title(item)})


def _text(error: Exception) -> str:
    """Return the API server's own sentence where there is one."""
    try:
        return str(json.loads(getattr(error, "body", None) or "{}")["message"])
    except (ValueError, KeyError, TypeError):
        return str(getattr(error, "reason", None) or error).strip()
