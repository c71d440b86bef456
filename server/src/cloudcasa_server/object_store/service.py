"""What the other rooms ask of object stores: which one a backup goes to, what an agent needs to reach it, and the repository password.

Velero has one repository password per installation, so the server makes one for all clusters at first need, keeps it sealed, and records it
with each store, since whoever reads that store's data later needs it (velero.md: escrow, written before Velero's first start).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cloudcasa_contract.commands import StorageTarget
from pydantic import SecretStr

from ..kit.crypto import Vault
from ..kit.errors import InvalidError, NotFoundError
from ..kit.rest import Documents
from ..kit.store import Document, DuplicateKeyError, Store, eq
from .location import LOCATIONS, new_location, revision_of
from .model import join_prefix, not_yet
from .probe import Probe, ProbeError
from .providers import provider_of

COLLECTION = "objectstores"
ESCROW = "escrow"
PASSWORD_ID = "0" * 23 + "1"


@dataclass(frozen=True, slots=True)
class ObjectStores:
    """The registered stores."""

    documents: Documents
    store: Store
    vault: Vault
    probe: Probe

    async def choose(self, *providers: Mapping[str, Any] | None) -> Document:
        """Return the store that the first of the providers names, else the organisation's, else the only one there is. Raises InvalidError."""
        collection = self.documents.collection
        organisation = await self.store.collection("orgs").find(limit=1, projection={"backup_provider": True})
        for provider in (*providers, *(one.get("backup_provider") for one in organisation)):
            if not provider or not provider.get("user_objectstore"):
                continue
            document = await collection.get(str(provider["user_objectstore"]))
            if document is None:
                message = f"The object store {provider['user_objectstore']} is gone. Choose another one."
                raise InvalidError(message)
            return _usable(document)
        candidates = await collection.find(limit=2, sort=(("_id", 1),))
        if len(candidates) == 1:
            return _usable(candidates[0])
        what = "There is no object store yet. Register one." if not candidates else "There are several object stores and none is chosen."
        message = f"{what} Name one in backup_provider of the cluster or of the organisation, or in offload_provider of the copy."
        raise InvalidError(message)

    async def target(self, objectstore_id: str, /, *, cluster_id: str, is_read_only: bool = False) -> StorageTarget:
        """Return the store as a cluster's agent sees it, keys included; without a cluster, its own prefix. Raises NotFoundError, InvalidError."""
        document = await self.documents.find(objectstore_id)
        if document is None:
            message = f"The object store {objectstore_id} is gone."
            raise NotFoundError(message)
        kind = document.get("provider_type") or "aws"
        try:
            access = provider_of(_usable(document)).access(document, self.credentials(document))
        except ProbeError as error:
            raise InvalidError(error.text) from error
        return StorageTarget.model_validate(
            {
                "objectstore_id": objectstore_id,
                "name": document["name"],
                "revision": revision_of(document),
                "provider": kind,
                "prefix": join_prefix(document.get("prefix"), cluster_id),
                "ca_pem": document.get("ca_pem") or None,
                "skip_tls_verification": bool(document.get("skip_tls_certificate_validation")),
                "read_only": is_read_only,
                **access,
            }
        )

    async def note_given(self, objectstore_id: str, /, *, cluster_id: str, revision: int) -> None:
        """Remember that a cluster is being told of the store, and so has a location of it that later changes must reach."""
        rows = self.store.collection(LOCATIONS)
        row = new_location(objectstore_id, cluster_id, revision=revision)
        if await rows.get(row["_id"]) is None:
            with suppress(DuplicateKeyError):
                await rows.insert(row)

    async def repository_password(self) -> SecretStr:
        """Return the password of all repositories of this installation; it is made once."""
        escrow = self.store.collection(ESCROW)
        document = await escrow.get(PASSWORD_ID)
        if document is None:
            document = {"_id": PASSWORD_ID, "repo_password": self.vault.seal(secrets.token_urlsafe(32), aad=ESCROW)}
            try:
                await escrow.insert(document)
            except DuplicateKeyError:
                document = await escrow.get(PASSWORD_ID) or document
        return SecretStr(self.vault.open(document["repo_password"], aad=ESCROW))

    def credentials(self, document: Document, /) -> Mapping[str, Any]:
        """Return the credentials of a stored store in clear; empty where none was given. Never store, log or answer them."""
        return (self.documents.reveal(document).get("s3provider") or {}).get("credentials") or {}

    async def note_proof(self, objectstore_id: str, /) -> None:
        """Remember that a backup went to a store which the server could not try out itself."""
        proof = {"validate_state": "READY", "validate_message": ""}
        await self.documents.set(objectstore_id, proof, expected=eq("validate_state", "VALIDATING"))


def _usable(document: Document) -> Document:
    """Return the store. Raises InvalidError when no agent can use it yet."""
    if why := not_yet(document):
        raise InvalidError(f'Cannot use the object store "{document["name"]}". {why}')
    return document
