"""Reading listings and small objects of an S3-compatible store. Used by providers/aws only, which says in sentences what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = {"NoSuchKey", "404", "NotFound"}


@dataclass(frozen=True, slots=True)
class S3Reader:
    """An open bucket, by keys below a root that is empty or ends in a slash."""

    client: S3Client
    bucket: str
    root: str

    def folders(self, prefix: str, /) -> tuple[str, ...]:
        """Return the names of what lies directly below a prefix."""
        whole = f"{self.root}{prefix}"
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=whole, Delimiter="/")
        return tuple(each["Prefix"].removeprefix(whole).rstrip("/") for page in pages for each in page.get("CommonPrefixes", ()))

    def keys(self, prefix: str, /) -> tuple[str, ...]:
        """Return one page of the keys that begin so."""
        page = self.client.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.root}{prefix}")
        return tuple(each["Key"].removeprefix(self.root) for each in page.get("Contents", ()))

    def get(self, key: str, /, *, max_bytes: int) -> bytes | None:
        """Return an object, None when there is none."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=f"{self.root}{key}")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code", "") in _MISSING:
                return None
            raise
        with answer["Body"] as body:
            return body.read(max_bytes + 1)
