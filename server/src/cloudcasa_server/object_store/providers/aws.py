"""S3-compatible stores (provider_type `aws`): what they need, and the probe with boto3.

The probe object lies beside the prefixes of the clusters, never inside: Velero calls a prefix with unknown directories invalid.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    InvalidRegionError,
    SSLError,
)
from pydantic import SecretStr

from ...kit.store import Document
from ..model import DEFAULT_REGION, S3Options, join_prefix, normalise_endpoint, s3_options
from ..probe import CONNECT_SECONDS, READ_SECONDS, UNTRUSTED, ProbeError, refused, trust, unreachable
from ..reading import Reader
from .aws_reader import S3Reader

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NO_BUCKET = {"NoSuchBucket", "404", "NotFound"}
_REGION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")


@dataclass(frozen=True, slots=True)
class Aws:
    """The kind `aws`."""

    def place(self, document: Document, /) -> str:
        """Return the bucket."""
        return str(document.get("bucket_name") or "")

    def target(self, document: Document, credentials: Mapping[str, Any], /) -> S3Target:
        """Return what is to be probed. Raises ProbeError."""
        if not (bucket := document.get("bucket_name")):
            raise ProbeError("An S3 object store needs a bucket_name.", field="bucket_name")
        endpoint = _endpoint(document)
        access_key, secret_key = (SecretStr(credentials.get(key) or "") for key in ("access_key", "secret_key"))
        if not access_key.get_secret_value() or not secret_key.get_secret_value():
            text = f'Cannot access bucket "{bucket}" without keys. Check the credentials and permissions: give access_key and secret_key.'
            raise ProbeError(text, field="s3provider.credentials")
        return S3Target(
            endpoint=endpoint,
            bucket=bucket,
            prefix=document.get("prefix") or "",
            region=_region(document),
            access_key=access_key,
            secret_key=secret_key,
            ca_pem=document.get("ca_pem") or None,
            skip_tls_verification=bool(document.get("skip_tls_certificate_validation")),
            options=s3_options(document),
        )

    def access(self, document: Document, credentials: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Return what an agent needs to know beyond what all kinds have. Raises ProbeError."""
        target, options = self.target(document, credentials), s3_options(document)
        return {
            "bucket": target.bucket,
            "region": target.region,
            "endpoint": target.endpoint,
            "access_key": target.access_key,
            "secret_key": target.secret_key,
            **options.model_dump(),
        }


def _region(document: Document) -> str:
    region = (document.get("region") or DEFAULT_REGION).strip()
    if not _REGION.fullmatch(region):
        raise ProbeError(f'"{region}" is not a region, such as us-east-1.', field="region")
    return region


def _endpoint(document: Document) -> str:
    given = (document.get("s3provider") or {}).get("endpoint")
    if not given:
        raise ProbeError("An S3 object store needs s3provider.endpoint, such as https://s3.example.com:9000.", field="s3provider.endpoint")
    try:
        url = normalise_endpoint(given)
    except ValueError as error:
        raise ProbeError(str(error), field="s3provider.endpoint") from error
    if url.partition("://")[2].partition(":")[0].lower().endswith(_AMAZON) and not document.get("region"):
        raise ProbeError("A bucket at Amazon needs its region, such as us-east-1.", field="region")
    return url


@dataclass(frozen=True, slots=True)
class S3Target:
    """What the probe needs to know."""

    endpoint: str
    bucket: str
    prefix: str
    region: str
    access_key: SecretStr
    secret_key: SecretStr
    ca_pem: str | None
    skip_tls_verification: bool
    options: S3Options = field(default_factory=S3Options)

    @property
    def url(self) -> str:
        """Return the address as it appears in sentences."""
        return f"{self.endpoint}/{self.bucket}"

    def probe(self) -> None:
        """List, write, read and delete. Raises ProbeError."""
        with self._blamed():
            is_same = self._try_out()
        if not is_same:
            message = f'Cannot use bucket "{self.bucket}" at {self.endpoint}: what was written was not read back.'
            raise ProbeError(message, field="bucket_name")

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Open the store for reading. Raises ProbeError, as do the reader's methods."""
        with self._blamed(), _client(self) as client:
            root = join_prefix(self.prefix)
            yield S3Reader(client, bucket=self.bucket, root=f"{root}/" if root else "")

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Say in a sentence what went wrong, and whom to blame."""
        try:
            yield
        except ClientError as error:
            raise self._refused(error) from error
        except SSLError as error:
            raise unreachable(self.url, UNTRUSTED) from error
        except (EndpointConnectionError, ConnectTimeoutError, HTTPClientError) as error:
            raise unreachable(self.url, "nothing answers there") from error
        except InvalidRegionError as error:
            raise ProbeError(f'"{self.region.strip()}" is not a region, such as us-east-1.', field="region") from error
        except (BotoCoreError, ValueError, OSError) as error:
            message = f'Cannot use bucket "{self.bucket}" at {self.endpoint}: {error}'
            raise ProbeError(message, field="s3provider.endpoint") from error

    def _try_out(self) -> bool:
        key = join_prefix(self.prefix, "cloudcasa-probe", secrets.token_hex(8))
        body = secrets.token_bytes(32)
        with _client(self) as client:
            client.list_objects_v2(Bucket=self.bucket, Prefix=join_prefix(self.prefix), MaxKeys=1)
            client.put_object(Bucket=self.bucket, Key=key, Body=body, **self._encryption())
            try:
                return client.get_object(Bucket=self.bucket, Key=key)["Body"].read() == body
            finally:
                client.delete_object(Bucket=self.bucket, Key=key)

    def _encryption(self) -> dict[str, Any]:
        chosen, key_id = self.options.server_side_encryption, self.options.kms_key_id
        return ({"ServerSideEncryption": chosen} if chosen else {}) | ({"SSEKMSKeyId": key_id} if key_id else {})

    def _refused(self, error: ClientError) -> ProbeError:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _NO_BUCKET:
            text = f'There is no bucket "{self.bucket}" at {self.endpoint}. Make it first, or correct the name.'
            return ProbeError(text, field="bucket_name")
        return refused(f'bucket "{self.bucket}" at {self.endpoint}', code)


@contextmanager
def _client(target: S3Target) -> Iterator[S3Client]:
    with trust(target.ca_pem, skip_verification=target.skip_tls_verification) as verify:
        session = boto3.session.Session()
        client = session.client(
            "s3",
            endpoint_url=target.endpoint,
            region_name=target.region,
            aws_access_key_id=target.access_key.get_secret_value(),
            aws_secret_access_key=target.secret_key.get_secret_value(),
            verify=verify,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path" if target.options.path_style else "virtual"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        try:
            yield client
        finally:
            client.close()
