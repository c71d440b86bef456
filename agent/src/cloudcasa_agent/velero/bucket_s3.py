"""S3 for bucket.py: AWS Signature Version 4 in its header form, path style or the bucket in the host's name, and ListObjectsV2."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

import aiohttp
from cloudcasa_contract.commands import StorageTarget

from .bucket_dialect import Listing, Request, Signed

_SAFE = "/-_.~"


class S3Dialect:
    """How an S3-compatible store is spoken to."""

    def __init__(self, storage: StorageTarget) -> None:
        """Speak for this target."""
        self._storage = storage

    async def sign(self, request: Request, /, *, session: aiohttp.ClientSession) -> Signed:
        """Return the request as the store's own."""
        del session
        query = "&".join(f"{quote(key, safe='-_.~')}={quote(value, safe='-_.~')}" for key, value in sorted(request.query.items()))
        url = object_url(self._storage, key=request.key) + (f"?{query}" if query else "")
        extra = _encryption(self._storage) if request.method == "PUT" else {}
        return Signed(url, signed_headers(self._storage, url=url, method=request.method, body=request.body, extra=extra))

    def list_query(self, *, prefix: str, delimiter: str, following: str, limit: int) -> Mapping[str, str]:
        """Return what asks for a page."""
        query = {"list-type": "2", "prefix": prefix, "max-keys": str(limit)}
        return query | ({"delimiter": delimiter} if delimiter else {}) | ({"continuation-token": following} if following else {})

    def read_listing(self, body: bytes, /) -> Listing:
        """Return a page. Raises ValueError."""
        root = parse_xml(body)
        return Listing(
            keys=tuple(item.findtext("{*}Key", "") for item in root.findall("{*}Contents")),
            prefixes=tuple(item.findtext("{*}Prefix", "") for item in root.findall("{*}CommonPrefixes")),
            following=root.findtext("{*}NextContinuationToken", ""),
        )


def parse_xml(body: bytes, /) -> ET.Element:
    """Return the answer's root. Raises ValueError; expat itself bounds what entities may grow to."""
    try:
        return ET.fromstring(body)  # noqa: S314 -- of the store that the operator chose, and of bounded size
    except ET.ParseError as error:
        text = "not XML"
        raise ValueError(text) from error


def object_url(storage: StorageTarget, *, key: str) -> str:
    """Return where a key lies; without one, the bucket."""
    endpoint = storage.endpoint.rstrip("/")
    if storage.path_style:
        return f"{endpoint}/{quote('/'.join(part for part in (storage.bucket, key) if part), safe=_SAFE)}"
    scheme, _, host = endpoint.partition("://")
    return f"{scheme}://{storage.bucket}.{host}/{quote(key, safe=_SAFE)}"


def signed_headers(
    storage: StorageTarget,
    *,
    url: str,
    method: str = "GET",
    body: bytes = b"",
    extra: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> dict[str, str]:
    """Return the headers that make a request of `url` the store's own."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    parts = urlsplit(url)
    payload = hashlib.sha256(body).hexdigest()
    sent = {"x-amz-content-sha256": payload, "x-amz-date": moment, **(extra or {})}
    signed = dict(sorted({"host": parts.netloc, **sent}.items()))
    names = ";".join(signed)
    canonical = "\n".join((method, parts.path, parts.query, *(f"{key}:{value}" for key, value in signed.items()), "", names, payload))
    scope = f"{moment[:8]}/{storage.region}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(_signing_key(storage, scope=scope), text.encode(), hashlib.sha256).hexdigest()
    credential = f"{storage.access_key.get_secret_value()}/{scope}"
    return sent | {"Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"}


def _encryption(storage: StorageTarget) -> dict[str, str]:
    if not storage.server_side_encryption:
        return {}
    headers = {"x-amz-server-side-encryption": storage.server_side_encryption}
    return headers | ({"x-amz-server-side-encryption-aws-kms-key-id": storage.kms_key_id} if storage.kms_key_id else {})


def _signing_key(storage: StorageTarget, *, scope: str) -> bytes:
    key = f"AWS4{storage.secret_key.get_secret_value()}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
