"""Reading listings and small objects of Azure Blob Storage. Used by providers/azure_blob only, which says in sentences what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobPrefix, ContainerClient

_MISSING = "BlobNotFound"


@dataclass(frozen=True, slots=True)
class AzureReader:
    """An open container, by keys below a root that is empty or ends in a slash."""

    container: ContainerClient
    root: str

    def folders(self, prefix: str, /) -> tuple[str, ...]:
        """Return the names of what lies directly below a prefix."""
        whole = f"{self.root}{prefix}"
        found = self.container.walk_blobs(name_starts_with=whole, delimiter="/")
        return tuple(each.name.removeprefix(whole).rstrip("/") for each in found if isinstance(each, BlobPrefix))

    def keys(self, prefix: str, /) -> tuple[str, ...]:
        """Return one page of the keys that begin so."""
        pages = self.container.list_blob_names(name_starts_with=f"{self.root}{prefix}").by_page()
        return tuple(name.removeprefix(self.root) for name in next(pages, ()))

    def get(self, key: str, /, *, max_bytes: int) -> bytes | None:
        """Return an object, None when there is none."""
        try:
            stream = self.container.get_blob_client(f"{self.root}{key}").download_blob()  # without a range: Azure has none in an empty blob
        except HttpResponseError as error:
            if getattr(error, "error_code", None) == _MISSING:
                return None
            raise
        body = bytearray()
        for chunk in stream.chunks():
            body += chunk
            if len(body) > max_bytes:
                break
        return bytes(body)
