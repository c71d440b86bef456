"""The proof that a store can be reached, listed, written, read and emptied with the keys that were given.

boto3 blocks, so the S3 probe runs in a thread, under one budget: Terraform's client gives up after 10 s (rest-api.md 1.11).
The probe object lies beside the prefixes of the clusters, never inside: Velero calls a prefix with unknown directories invalid.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

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

from .model import join_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONNECT_SECONDS = 2.5
_READ_SECONDS = 4.0
_NO_BUCKET = {"NoSuchBucket", "404", "NotFound"}


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """What the probe needs to know."""

    endpoint: str
    bucket: str
    prefix: str
    region: str
    access_key: SecretStr
    secret_key: SecretStr
    ca_pem: str | None
    skip_tls_verification: bool

    @property
    def url(self) -> str:
        """Return the address as it appears in sentences."""
        return f"{self.endpoint}/{self.bucket}"


class ProbeError(Exception):
    """The store refused or could not be reached. `field` is the dotted field to blame, the text the sentence."""

    def __init__(self, text: str, *, field: str) -> None:
        """Remember whom to blame."""
        super().__init__(text)
        self.text = text
        self.field = field


class Probe(Protocol):
    """Try a store out."""

    async def __call__(self, target: ProbeTarget, /) -> None:
        """Return when the store can be used. Raises ProbeError."""


@dataclass(frozen=True, slots=True)
class S3Probe:
    """Probe an S3-compatible store within a budget."""

    budget_seconds: float

    async def __call__(self, target: ProbeTarget, /) -> None:
        """Return when the store can be used. Raises ProbeError."""
        try:
            async with asyncio.timeout(self.budget_seconds):
                await asyncio.to_thread(_probe_blocking, target)
        except TimeoutError as error:
            raise _unreachable(target, f"it did not answer within {self.budget_seconds:.0f} seconds") from error


def _probe_blocking(target: ProbeTarget) -> None:
    key = join_prefix(target.prefix, "cloudcasa-probe", secrets.token_hex(8))
    body = secrets.token_bytes(32)
    try:
        with _client(target) as client:
            client.list_objects_v2(Bucket=target.bucket, Prefix=join_prefix(target.prefix), MaxKeys=1)
            client.put_object(Bucket=target.bucket, Key=key, Body=body)
            try:
                is_same = client.get_object(Bucket=target.bucket, Key=key)["Body"].read() == body
            finally:
                client.delete_object(Bucket=target.bucket, Key=key)
    except ClientError as error:
        raise _refused(target, error) from error
    except SSLError as error:
        raise _unreachable(
            target, "its TLS certificate is not trusted; give its CA in ca_pem or set skip_tls_certificate_validation"
        ) from error
    except (EndpointConnectionError, ConnectTimeoutError, HTTPClientError) as error:
        raise _unreachable(target, "nothing answers there") from error
    except InvalidRegionError as error:
        raise ProbeError(f'"{target.region.strip()}" is not a region, such as us-east-1.', field="region") from error
    except (BotoCoreError, ValueError, OSError) as error:
        message = f'Cannot use bucket "{target.bucket}" at {target.endpoint}: {error}'
        raise ProbeError(message, field="s3provider.endpoint") from error
    if not is_same:
        message = f'Cannot use bucket "{target.bucket}" at {target.endpoint}: what was written was not read back.'
        raise ProbeError(message, field="bucket_name")


@contextmanager
def _client(target: ProbeTarget) -> Iterator[S3Client]:
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as ca_file:
        ca_file.write(target.ca_pem or "")
        ca_file.flush()
        trusted: bool | str = Path(ca_file.name).as_posix() if target.ca_pem else True
        session = boto3.session.Session()
        client = session.client(
            "s3",
            endpoint_url=target.endpoint,
            region_name=target.region,
            aws_access_key_id=target.access_key.get_secret_value(),
            aws_secret_access_key=target.secret_key.get_secret_value(),
            verify=False if target.skip_tls_verification else trusted,
            config=Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        try:
            yield client
        finally:
            client.close()


def _unreachable(target: ProbeTarget, why: str) -> ProbeError:
    return ProbeError(f'Could not connect to the endpoint URL: "{target.url}": {why}.', field="s3provider.endpoint")


def _refused(target: ProbeTarget, error: ClientError) -> ProbeError:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _NO_BUCKET:
        return ProbeError(
            f'There is no bucket "{target.bucket}" at {target.endpoint}. Make it first, or correct the name.', field="bucket_name"
        )
    return ProbeError(
        f'Cannot access bucket "{target.bucket}" at {target.endpoint} ({code or "refused"}). Check the credentials and permissions:'
        " listing, writing, reading and deleting objects must be allowed.",
        field="s3provider.credentials",
    )
