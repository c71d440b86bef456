# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# The dialect of the REST API, once: JSON, status codes, paging, etags. Knows no resource.
# Source: the API description, section 1 (lists, writes, ETag and If-Match, errors).

from __future__ import annotations

import json
import typing as t
from urllib.parse import quote, urlencode

from ._errors import ApiError
from ._http import Http, Response, TransportError

Document = t.Dict[str, t.Any]

PAGE_SIZE = 100

MEANINGS = {
    400: ("bad_request", "the request is malformed"),
    401: ("unauthorized", "the API key is missing or wrong"),
    403: ("forbidden", "the API key is not permitted to do this"),
    404: ("not_found", "there is no such thing"),
    405: ("method_not_allowed", "the server does not offer this"),
    409: ("conflict", "the state of the thing does not allow this"),
    412: ("changed_meanwhile", "someone else changed it in between; run the task again"),
    422: ("invalid", "the server refuses these values"),
    428: ("etag_required", "the server wants to know which version is meant"),
    429: ("too_many_requests", "the server asks to slow down; run the task again later"),
}
HINTS = {401: "Check api_key, or the variable CLOUDCASA_API_KEY."}
FAILED = "the server, or a proxy before it, failed; look at its log"


class Api:
    """A client for one server with one key."""

    def __init__(self, http: Http, *, base_url: str, api_key: str) -> None:
        self._http = http
        self._base_url = _base(base_url)
        self._api_key = api_key

    def url(self, path: str, *, query: t.Mapping[str, t.Any] | None = None) -> str:
        """Return the full address of a path such as C(kubeclusters/<id>)."""
        address = f"{self._base_url}/api/v1/{quote(path.strip('/'))}"
        return f"{address}?{urlencode(_encoded(query))}" if query else address

    def get(self, path: str, *, query: t.Mapping[str, t.Any] | None = None) -> Document:
        """Return one document."""
        return self._call("GET", path, query=query)

    def find(self, path: str) -> Document | None:
        """Return one document, or None where the server has none."""
        try:
            return self._call("GET", path)
        except ApiError as e:
            if e.status == 404:
                return None
            raise

    def list(
        self,
        resource: str,
        *,
        where: Document | None = None,
        sort: str | None = None,
        limit: int | None = None,
        embedded: Document | None = None,
    ) -> t.List[Document]:
        """Return the documents of a list, page after page. A limit of None means all."""
        items: t.List[Document] = []
        size = min(limit, PAGE_SIZE) if limit else PAGE_SIZE
        page = 1
        while True:
            query = {"where": where, "sort": sort, "embedded": embedded, "page": page, "max_results": size}
            answer = self._call("GET", resource, query=query)
            batch = answer.get("_items") or []
            items.extend(batch)
            total = (answer.get("_meta") or {}).get("total", len(items))
            if limit and len(items) >= limit:
                return items[:limit]
            if not batch or len(items) >= total:
                return items
            page += 1

    def create(self, resource: str, body: Document) -> Document:
        """Make a document and return it."""
        return self._call("POST", resource, body=body)

    def replace(self, path: str, body: Document, *, etag: str) -> Document:
        """Replace what clients may set; refused with 412 where the etag is not the current one."""
        return self._call("PUT", path, body=body, etag=etag)

    def run_action(self, path: str, action: str, body: Document) -> Document:
        """Run an action of a document and return what the server answers."""
        return self._call("POST", f"{path}/action/{action}", body=body)

    def delete(self, path: str) -> bool:
        """Delete a document; tell whether it was there."""
        try:
            self._call("DELETE", path)
        except ApiError as e:
            if e.status == 404:
                return False
            raise
        return True

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: t.Mapping[str, t.Any] | None = None,
        body: Document | None = None,
        etag: str = "",
    ) -> Document:
        url = self.url(path, query=query)
        headers = {"Authorization": f"Bearer {self._api_key}", "Accept": "application/json", "Content-Type": "application/json"}
        if etag:
            headers["If-Match"] = etag
        data = None if body is None else json.dumps(body).encode("utf-8")
        try:
            response = self._http.request(method, url, headers=headers, body=data)
        except TransportError as e:
            text = f"Cannot reach the CloudCasa server at {self._base_url}: {e.reason}. {_hint(self._base_url, e.reason)}"
            raise ApiError(text, status=0, code="unreachable", url=url) from e
        if response.status >= 300:
            raise _refusal(method, url, response)
        return _document(method, url, response)


def _base(url: str) -> str:
    base = url.strip().rstrip("/")
    for suffix in ("/api/v1", "/api"):
        base = base.removesuffix(suffix)
    return base.rstrip("/")


def _hint(base_url: str, reason: str) -> str:
    """Return what to look at when no answer came."""
    if not base_url.startswith("https://"):
        return "Check api_url: it is the server's https address, such as https://cloudcasa.example.com:8443."
    if "not valid for" in reason:
        return "Call it by a name that its certificate is for; the server's settings PUBLIC_URL and TLS_NAMES say which."
    if "certificate" in reason:
        return "Name the file of the authority that signed its certificate in ca_path."
    return "Check api_url, and that the server runs."


def _encoded(query: t.Mapping[str, t.Any] | None) -> t.Dict[str, str]:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return {name: json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else str(value) for name, value in given.items()}


def _document(method: str, url: str, response: Response) -> Document:
    if not response.body.strip():
        return {}
    try:
        document = json.loads(response.body)
    except ValueError as e:
        text = f"{method} {_plain(url)} answered {response.status} with something that is not JSON. Is api_url the address of a CloudCasa server?"
        raise ApiError(text, status=response.status, code="not_json", url=url) from e
    return t.cast(Document, document) if isinstance(document, dict) else {"_items": document}


def _refusal(method: str, url: str, response: Response) -> ApiError:
    is_failure = response.status >= 500
    unknown = ("server_error", FAILED) if is_failure else ("unexpected_status", "is api_url the address of a CloudCasa server?")
    code, meaning = MEANINGS.get(response.status, unknown)
    try:
        document = json.loads(response.body or b"{}")
    except ValueError:
        document = {}
    error = document.get("_error") if isinstance(document, dict) else None
    said = str(error.get("message", "")).strip() if isinstance(error, dict) else ""
    issues = document.get("_issues") if isinstance(document, dict) else None
    text = _sentence(said or f"{method} {_plain(url)} answered {response.status}: {meaning}")
    hint = HINTS.get(response.status)
    return ApiError(f"{text} {hint}" if hint else text, status=response.status, code=code, issues=issues, url=url)


def _plain(url: str) -> str:
    """Return an address without its query, which only machines read."""
    return url.partition("?")[0]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
