"""From a command document to the command that goes out: the one place where secrets are put in, at delivery and never before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from cloudcasa_contract.commands import COMMAND_ADAPTER, Command, EngineEnsure, EngineImages, PreflightRun, StorageAddress, StorageTarget
from pydantic import SecretStr

from ..kit.clock import Clock
from ..kit.crypto import VaultError
from ..kit.errors import AppError
from ..kit.store import Document, Store
from .images import Images, replace_registry

log = structlog.get_logger(__name__)


class UndeliverableError(AppError):
    """The command cannot be made any more: what it refers to is gone."""

    slug = "undeliverable"


class Stores(Protocol):
    """What commands need of the object stores."""

    async def choose(self, *providers: Mapping[str, Any] | None) -> Document:
        """Return the store that the first of the providers names, else the default one."""

    async def target(self, objectstore_id: str, /, *, cluster_id: str, is_read_only: bool = False) -> StorageTarget:
        """Return the store as a cluster's agent sees it, keys included."""

    async def note_given(self, objectstore_id: str, /, *, cluster_id: str, revision: int) -> None:
        """Remember that a cluster is being told of the store."""

    async def repository_password(self) -> SecretStr:
        """Return the password of all repositories of this installation."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Complete commands for delivery."""

    store: Store
    stores: Stores
    images: Images
    clock: Clock

    async def resolve(self, document: Document, /) -> Command:
        """Return the command to send. Raises UndeliverableError: a command that can never be made must end, not end every link."""
        try:
            return await self._resolved(document)
        except (AppError, VaultError) as error:
            raise UndeliverableError(str(error)) from error
        except (ValueError, KeyError) as error:
            log.exception("A command cannot be made", command_id=document["_id"], kind=document["kind"])
            raise UndeliverableError(f"The server cannot make the command {document['kind']}. Its log says why; this is a bug.") from error

    async def _resolved(self, document: Document) -> Command:
        if document["kind"] == "engine.ensure":
            return await self._engine(document)
        if document["kind"] == "preflight.run":
            return await self._preflight(document)
        payload: dict[str, Any] = dict(document["payload"]) | {"kind": document["kind"]}
        if document["kind"] == "run.cancel":
            run = payload["run"]
            payload["run"] = await self._resolved({**document, "kind": run["kind"], "payload": run})
            return COMMAND_ADAPTER.validate_python(payload)
        if reference := document.get("storage"):
            target = await self.stores.target(
                reference["objectstore"], cluster_id=reference["cluster"], is_read_only=reference["read_only"]
            )
            if reference["cluster"] == document["cluster"]:
                await self.stores.note_given(target.objectstore_id, cluster_id=document["cluster"], revision=target.revision)
            payload["storage"] = target
        return COMMAND_ADAPTER.validate_python(payload)

    async def _engine(self, document: Document) -> EngineEnsure:
        cluster = await self.store.collection("kubeclusters").get(document["cluster"]) or {}
        registry = cluster.get("container_registry")
        images = EngineImages(
            velero=replace_registry(self.images.velero, registry),
            plugin_aws=replace_registry(self.images.plugin_aws, registry),
            pull_secret_name=cluster.get("image_pull_secret_name") or None,
        )
        return EngineEnsure(
            images=images,
            repository_password=await self.stores.repository_password(),
            allow_foreign_velero=bool(cluster.get("allow_foreign_velero")),
        )

    async def _preflight(self, document: Document) -> PreflightRun:
        cluster = await self.store.collection("kubeclusters").get(document["cluster"]) or {}
        return PreflightRun(
            asked_at=self.clock.now(),
            server_version=str(document["payload"].get("server_version", "")),
            velero_image=replace_registry(self.images.velero, cluster.get("container_registry")),
            allow_foreign_velero=bool(cluster.get("allow_foreign_velero")),
            stores=await self._addresses(cluster),
        )

    async def _addresses(self, cluster: Document) -> tuple[StorageAddress, ...]:
        """Return where the cluster's backups go by default, without keys; nothing when no store is chosen or it cannot be used yet."""
        try:
            chosen = await self.stores.choose(cluster.get("backup_provider"))
            target = await self.stores.target(chosen["_id"], cluster_id=cluster["_id"])
        except AppError:
            return ()
        address = StorageAddress(
            name=target.name, endpoint=target.endpoint, ca_pem=target.ca_pem, skip_tls_verification=target.skip_tls_verification
        )
        return (address,)
