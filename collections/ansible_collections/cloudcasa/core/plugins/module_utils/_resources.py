# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The verbs on one resource: find by name or id, get (or say which one is missing), create, update, delete.

from __future__ import annotations

import re
import typing as t

from ._api import Api, Document
from ._errors import CloudCasaError, NotFoundError

_ID = re.compile(r"\A[0-9a-f]{24}\Z")


class Resource:
    """One collection of documents on the server, in the words of a user."""

    def __init__(self, api: Api, *, path: str, noun: str, settable: t.Sequence[str] = ()) -> None:
        self._api = api
        self.path = path
        self.noun = noun
        self.settable = tuple(settable)

    def find(self, name_or_id: str, *, where: Document | None = None) -> Document | None:
        """Return the document of that name, or else of that id, or None."""
        found = self._api.list(self.path, where={**(where or {}), "name": name_or_id}, limit=2)
        if len(found) > 1:
            ids = ", ".join(str(document["_id"]) for document in found)
            text = f'There is more than one {self.noun} named "{name_or_id}" ({ids}). Name it by its id.'
            raise CloudCasaError(text, code="ambiguous", details=ids, url=self._api.url(self.path))
        if found:
            return found[0]
        return self._api.find(f"{self.path}/{name_or_id}") if _ID.match(name_or_id) else None

    def get(self, name_or_id: str, *, where: Document | None = None) -> Document:
        """Return the document of that name or id. Raises NotFoundError."""
        document = self.find(name_or_id, where=where)
        if document is None:
            raise NotFoundError(f'There is no {self.noun} "{name_or_id}" on the server.', url=self._api.url(self.path))
        return document

    def get_by_id(self, document_id: str) -> Document:
        """Return the document of that id."""
        return self._api.get(f"{self.path}/{document_id}")

    def find_by_id(self, document_id: str) -> Document | None:
        """Return the document of that id, or None."""
        return self._api.find(f"{self.path}/{document_id}")

    def list(
        self,
        *,
        where: Document | None = None,
        sort: str | None = None,
        limit: int | None = None,
        embedded: Document | None = None,
    ) -> t.List[Document]:
        """Return the documents that a filter selects."""
        return self._api.list(self.path, where=where or None, sort=sort, limit=limit, embedded=embedded)

    def create(self, body: Document) -> Document:
        """Make a document."""
        return self._api.create(self.path, body)

    def update(self, have: Document, body: Document) -> Document:
        """Replace the settable part of a document that was read before."""
        return self._api.replace(f"{self.path}/{have['_id']}", body, etag=str(have["_etag"]))

    def run(self, document_id: str, body: Document) -> Document:
        """Start what the document describes."""
        return self._api.run_action(f"{self.path}/{document_id}", "run", body)

    def delete(self, document: Document) -> bool:
        """Delete a document; tell whether it was still there."""
        return self._api.delete(f"{self.path}/{document['_id']}")

    def settings(self, document: Document | None) -> Document:
        """Return the part of a document that clients set."""
        return {name: document[name] for name in self.settable if document and document.get(name) is not None}

    def url(self) -> str:
        """Return the address of the collection, for messages."""
        return self._api.url(self.path)


class CloudCasa:
    """The resources of a server that the modules of this collection use."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.clusters = Resource(api, path="kubeclusters", noun="cluster", settable=CLUSTER_SETTINGS)
        self.object_stores = Resource(api, path="objectstores", noun="object store", settable=OBJECT_STORE_SETTINGS)
        self.backups = Resource(api, path="kubebackups", noun="backup", settable=BACKUP_SETTINGS)
        self.offloads = Resource(api, path="kubeoffloads", noun="copy definition", settable=OFFLOAD_SETTINGS)
        self.recovery_points = Resource(api, path="backupinstances", noun="recovery point")
        self.restores = Resource(api, path="kuberestores", noun="restore")
        self.jobs = Resource(api, path="jobs", noun="job")


CLUSTER_SETTINGS = (
    "name",
    "description",
    "tags",
    "image_pull_secret_name",
    "container_registry",
    "backup_provider",
    "configuration",
    "agent_type",
    "allow_foreign_velero",
)
OBJECT_STORE_SETTINGS = (
    "name",
    "description",
    "tags",
    "provider_type",
    "bucket_name",
    "region",
    "s3provider",
    "skip_tls_certificate_validation",
    "private",
    "proxy_cluster_list",
    "prefix",
    "locked",
    "ca_pem",
    "s3_options",
    "max_concurrent_runs",
    "backup_windows",
)
BACKUP_SETTINGS = (
    "name",
    "description",
    "tags",
    "cluster",
    "trigger_type",
    "policy",
    "copydef",
    "source",
    "pre_hooks",
    "post_hooks",
    "pause",
    "keep_last_good",
    "velero",
)
OFFLOAD_SETTINGS = (
    "name",
    "description",
    "tags",
    "cluster",
    "backupdef",
    "backup_inst",
    "trigger_type",
    "policy",
    "run_backup",
    "delete_snapshots",
    "snapshot_longhorn",
    "skip_live_copy",
    "offload_provider",
    "options",
    "pause",
)
